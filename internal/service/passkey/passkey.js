// Asks the browser's WebAuthn for a passkey. A page takes part in it by a form with
//   data-passkey-get or data-passkey-create: the options, JSON with base64url as the server writes it;
//   an input named "passkey", where the answer goes before the form is sent;
//   an element with the class "passkey-problem", hidden, that is shown when nothing comes of it;
// and an element [data-passkey-missing] is shown where the browser can't do it.
"use strict";
(() => {
  const decode = (text) => {
    const raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(raw, (c) => c.charCodeAt(0));
  };
  const encode = (buffer) => {
    if (!buffer) return undefined;
    let raw = "";
    for (const b of new Uint8Array(buffer)) raw += String.fromCharCode(b);
    return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const named = (list) => (list || []).map((c) => ({ ...c, id: decode(c.id) }));

  const create = async (o) => {
    o.challenge = decode(o.challenge);
    o.user.id = decode(o.user.id);
    o.excludeCredentials = named(o.excludeCredentials);
    const c = await navigator.credentials.create({ publicKey: o });
    return { c, response: {
      clientDataJSON: encode(c.response.clientDataJSON),
      attestationObject: encode(c.response.attestationObject),
      transports: c.response.getTransports ? c.response.getTransports() : [],
    } };
  };
  const get = async (o, extra) => {
    o.challenge = decode(o.challenge);
    o.allowCredentials = named(o.allowCredentials);
    const c = await navigator.credentials.get({ publicKey: o, ...extra });
    return { c, response: {
      clientDataJSON: encode(c.response.clientDataJSON),
      authenticatorData: encode(c.response.authenticatorData),
      signature: encode(c.response.signature),
      userHandle: encode(c.response.userHandle),
    } };
  };

  let waiting; // for a passkey that is chosen in the field of the name
  const answer = async (form, extra) => {
    const options = form.dataset.passkeyCreate || form.dataset.passkeyGet;
    const { c, response } = await (form.dataset.passkeyCreate ? create : get)(JSON.parse(options), extra);
    form.elements.passkey.value = JSON.stringify({
      id: c.id, rawId: encode(c.rawId), type: c.type, response, clientExtensionResults: {},
      authenticatorAttachment: c.authenticatorAttachment || undefined,
    });
    form.submit();
  };

  const forms = document.querySelectorAll("form[data-passkey-get], form[data-passkey-create]");
  if (!window.PublicKeyCredential) {
    for (const e of document.querySelectorAll("[data-passkey-missing]")) e.hidden = false;
    return;
  }
  for (const form of forms) {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const problem = form.querySelector(".passkey-problem");
      problem.hidden = true;
      if (waiting) { waiting.abort(); waiting = undefined; }
      try {
        await answer(form);
      } catch {
        problem.hidden = false;
      }
    });
  }
  // Where passkeys are made, the page knows all that there are: authenticators may forget the others (Level 3, §5.1.10), so that
  // people are never offered one that was removed.
  const making = document.querySelector("form[data-passkey-create]");
  if (making && PublicKeyCredential.signalAllAcceptedCredentials) {
    const o = JSON.parse(making.dataset.passkeyCreate);
    PublicKeyCredential.signalAllAcceptedCredentials({
      rpId: o.rp.id, userId: o.user.id, allAcceptedCredentialIds: o.excludeCredentials.map((c) => c.id),
    }).catch(() => {});
  }
  const field = document.querySelector("input[autocomplete~=webauthn]");
  const first = document.querySelector("form[data-passkey-get]");
  if (field && first && PublicKeyCredential.isConditionalMediationAvailable) {
    PublicKeyCredential.isConditionalMediationAvailable().then((can) => {
      if (!can) return;
      waiting = new AbortController();
      answer(first, { mediation: "conditional", signal: waiting.signal }).catch(() => {});
    });
  }
})();
