run the-page.1
says "content-security-policy: default-src 'none'; script-src 'self'"
says '"role": "reader"'
says '"reporting": 0'
