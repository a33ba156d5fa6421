// Passkeys: what the browser is asked comes from us, and its answer goes back in a form.
const place = document.querySelector('meta[name="passkeys"]').content;
const works = Boolean(window.PublicKeyCredential) && place === location.origin;

const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// What went wrong, in the words of our page where it has some.
class Told extends Error {}

async function post(address, fields) {
  const answer = await fetch(address, {
    method: "POST", body: new URLSearchParams(fields), headers: { Accept: "application/json" }, redirect: "manual",
  });
  if (answer.type === "opaqueredirect") throw new Told("You are signed out. Reload the page.");
  if (answer.status === 204) return null;
  const document = await answer.json();
  if (!answer.ok) {
    const message = document.errors?.[0]?.message ?? document.detail;
    throw new Told(message.charAt(0).toUpperCase() + message.slice(1) + ".");
  }
  return document;
}

async function ask(method, options) {
  const decoded = (list) => list?.map((each) => ({ ...each, id: toBytes(each.id) }));
  const publicKey = {
    ...options,
    challenge: toBytes(options.challenge),
    allowCredentials: decoded(options.allowCredentials),
    excludeCredentials: decoded(options.excludeCredentials),
  };
  if (options.user) publicKey.user = { ...options.user, id: toBytes(options.user.id) };
  const found = await navigator.credentials[method]({ publicKey });
  const response = {};
  for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (found.response[part]) response[part] = toText(found.response[part]);
  }
  return JSON.stringify({ id: found.id, rawId: toText(found.rawId), type: found.type, response });
}

function words(error) {
  if (error instanceof Told) return error.message;
  if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
  if (error.name === "NotAllowedError") return "Your browser gave no passkey: it was cancelled, or took too long.";
  return "This did not work. Try again, or use another way.";
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!works) continue;
  form.hidden = false;
  const told = form.querySelector(".told");
  form.addEventListener("submit", async (event) => {
    // Sent by ourselves once the browser has answered; no other listener need know of it.
    event.preventDefault();
    event.stopPropagation();
    const button = form.querySelector('[type="submit"]');
    button.disabled = true;
    told.textContent = "";
    try {
      const { token, options } = await post(form.dataset.options, new FormData(form));
      form.elements.token.value = token;
      form.elements.answer.value = await ask(form.dataset.passkey, options);
      form.submit();
    } catch (error) {
      told.textContent = words(error);
      button.disabled = false;
    }
  });
}

for (const part of document.querySelectorAll("[data-passkey-proof]")) {
  part.hidden = !works;
  const told = part.querySelector(".told");
  const button = part.querySelector("button");
  button.addEventListener("click", async () => {
    const form = part.closest("form");
    const csrf = form.elements.csrf.value;
    button.disabled = true;
    told.textContent = "";
    try {
      const { token, options } = await post("/security/proof/options", { csrf });
      await post("/security/proof", { csrf, token, answer: await ask("get", options) });
      // The password is not needed any more, and must not be asked for either.
      for (const asked of part.closest("fieldset").querySelectorAll(".field, .hint")) asked.remove();
      button.remove();
      told.classList.add("good");
      told.textContent = "Confirmed. Go on.";
      form.querySelector('[type="submit"]').focus();
    } catch (error) {
      told.textContent = words(error);
      button.disabled = false;
    }
  });
}

for (const part of document.querySelectorAll("[data-passkeys-elsewhere]")) part.hidden = works;
for (const part of document.querySelectorAll("[data-passkeys-here]")) part.hidden = !works;
