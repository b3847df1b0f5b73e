"""A program, its user and her browser at an OpenID provider; then IMAP with the token.

openid.py PROVIDER CA code RESOURCE LOGIN      prints a token: code with PKCE
openid.py PROVIDER CA device RESOURCE LOGIN    prints a token: device flow
openid.py PROVIDER CA robot RESOURCE           prints a token that is for nobody: client credentials
openid.py PROVIDER CA revoke TOKEN
openid.py PORT CA imap MECHANISM LOGIN TOKEN   signs in and looks into the inbox
"""
import base64, hashlib, html, http.cookiejar, imaplib, json, re, ssl, sys, time
from urllib import error, parse, request

BACK = "http://127.0.0.1:9/cb"
at, ca, what, *args = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)


class ToTheProgram(Exception):
    """The browser is sent back to the program."""


class Redirects(request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if newurl.startswith(BACK):
            raise ToTheProgram(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


browser = request.build_opener(request.HTTPSHandler(context=context), request.HTTPCookieProcessor(http.cookiejar.CookieJar()), Redirects())


def post(url, form, secret=None):
    req = request.Request(url, parse.urlencode(form).encode())
    if secret:
        req.add_header("Authorization", "Basic " + base64.b64encode(":".join(parse.quote_plus(s) for s in secret).encode()).decode())
    try:
        with browser.open(req) as answer:
            body = answer.read()
    except error.HTTPError as e:
        body = e.read()
    return json.loads(body) if body else {}


def forms(page):
    """The page's first form, filled in and sent, until there is none that asks for something."""
    while True:
        text = page.read().decode()
        form = re.search(r"<form.*?</form>", text, re.S)
        if not form:
            return text
        fields = {}
        for tag in re.findall(r"<(?:input|button)[^>]*>", form.group()):
            name, value = (re.search(r'\b%s="([^"]*)"' % a, tag) for a in ("name", "value"))
            if name:
                fields[name.group(1)] = html.unescape(value.group(1)) if value else ""
        if "login" in fields:
            fields.update(login=args[1], password="any")
        action = re.search(r'action="([^"]*)"', form.group())
        page = browser.open(parse.urljoin(page.url, html.unescape(action.group(1))), parse.urlencode(fields).encode())


def metadata():
    return json.load(browser.open(at + "/.well-known/openid-configuration"))


if what == "code":
    config, verifier = metadata(), "v" * 50
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    wish = {"response_type": "code", "client_id": "program", "redirect_uri": BACK, "scope": "openid mail", "resource": args[0],
            "code_challenge_method": "S256", "code_challenge": challenge}
    try:
        sys.exit("not sent back: " + forms(browser.open(config["authorization_endpoint"] + "?" + parse.urlencode(wish))))
    except ToTheProgram as back:
        code = parse.parse_qs(parse.urlsplit(str(back)).query)["code"][0]
    print(post(config["token_endpoint"], {"grant_type": "authorization_code", "client_id": "program", "code": code, "redirect_uri": BACK, "code_verifier": verifier})["access_token"])
elif what == "device":
    config = metadata()
    device = post(config["device_authorization_endpoint"], {"client_id": "program", "scope": "openid mail", "resource": args[0]})
    forms(browser.open(device["verification_uri_complete"]))
    for _ in range(5):
        answer = post(config["token_endpoint"], {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "program", "device_code": device["device_code"]})
        if "access_token" in answer:
            break
        time.sleep(1)
    print(answer["access_token"])
elif what == "robot":
    print(post(metadata()["token_endpoint"], {"grant_type": "client_credentials", "scope": "mail", "resource": args[0]}, ("robot", "robot secret"))["access_token"])
elif what == "revoke":
    answer = post(metadata()["revocation_endpoint"], {"client_id": "program", "token": args[0]})
    assert not answer, answer
elif what == "imap":
    mechanism, login, token = args
    head = {"OAUTHBEARER": "n,a=%s,", "XOAUTH2": "user=%s"}[mechanism] % login
    tries = iter([head + "\x01auth=Bearer " + token + "\x01\x01", "\x01"])
    m = imaplib.IMAP4_SSL("localhost", int(at), ssl_context=context)
    m.authenticate(mechanism, lambda _: next(tries).encode())
    assert m.select("INBOX")[0] == "OK"
    m.logout()
