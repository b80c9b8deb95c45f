const requestInfo = {
method: 'POST',
headers: {
'X-PCIVault-Capture-Secret': '@SECRET@',
},
body: JSON.stringify({
"card_expiry": "06-2025",
"cvv": "145"
}),
};
fetch("@BASE@/v1/capture/@ENDPOINT@", requestInfo)
.then((response) => {
return response.json();
})
.then((response) => {
console.debug(response);
// do something with the response
})
