import requests
from requests.auth import HTTPBasicAuth
auth = HTTPBasicAuth('@USER@', '@PASSWORD@')
url = "@BASE@/v1/capture"
user = "test-user"
passphrase = "ALongAndVerySecretPassphraseThatIsSuperSecure"
token = "@TOKEN@"
reference = "my-reference"
res = requests.post(f'{url}?user={user}&passphrase={passphrase}&ttl=PT10M&token={token}&reference={reference}', auth=auth)
# do something with the response
print(res)
print(res.text)
