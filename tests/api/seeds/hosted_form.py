import requests
import json
import base64
from requests.auth import HTTPBasicAuth
auth = HTTPBasicAuth('@USER@', '@PASSWORD@')
# javascript to execute on successful submission
callback_code = """function(responseData, requestData) {
const reference = responseData.reference;
window.location.replace(`https://mywebsite.com/update/success?reference=${reference}`);
}"""
url = "@BASE@/v1/capture/iframe"
body = {
"success_callback": base64.b64encode(callback_code.encode("utf-8")).decode("utf-8"),
"field_options": {
"reference": {
"visible": False
},
"card_holder": {
"visible": False
},
"expiry": {
"visible": False
},
"card_number": {
"visible": False
}
}
}
res = requests.post(f'{url}?form_type=pcd', auth=auth, data=json.dumps(body))
# do something with the response
print(res)
print(res.text)
