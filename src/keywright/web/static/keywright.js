// What pages do better with a script; without it they work all the same, but for copying and passkeys.
document.documentElement.classList.add("scripted");

// A dialog that the page came with becomes a modal one: the rest is out of reach, Escape leads back to the page below.
// Without a page to go back to, it stays: browsers let a second Escape close it, and a secret would be lost.
for (const dialog of document.querySelectorAll("dialog[open]")) {
  const leave = () => {
    if (dialog.dataset.back) location.assign(dialog.dataset.back);
    else if (!dialog.open) dialog.showModal();
  };
  dialog.open = false;
  dialog.showModal();
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  dialog.addEventListener("close", leave);
}

// A page that shows a secret is not asked for again by reloading, and is emptied when it is left.
const once = document.querySelector("[data-once]");
if (once) {
  history.replaceState(null, "", once.dataset.once);
  const forget = () => {
    for (const element of document.querySelectorAll("[data-secret]")) element.textContent = "";
  };
  addEventListener("pagehide", forget);
}
// A page of before that the browser kept is not shown as if it were of now.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (button) {
    const source = button.dataset.copyFrom;
    const text = source ? document.getElementById(source).textContent : button.dataset.copy;
    const said = button.nextElementSibling;
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "Copied";
    } catch {
      said.textContent = "Select it and copy by hand";
    }
    setTimeout(() => { said.textContent = ""; }, 2000);
    return;
  }
  // A click elsewhere closes an open menu.
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A button stays off until what it needs was said: a box ticked, the end of a Client ID typed.
for (const field of document.querySelectorAll("[data-enables]")) {
  const button = document.getElementById(field.dataset.enables);
  const update = () => {
    const ready = field.type === "checkbox" ? field.checked : field.value.trim().replace(/\s+/g, " ").toLowerCase() === field.dataset.expected;
    button.disabled = !ready;
  };
  field.addEventListener("input", update);
  update();
}

// Sent twice is once too often.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
