/* The certificates: who signed whom, why the last of them is believed, and each one down to its bytes. */

function chain(story) {
  const both = new Set(story.chain.map((one) => one.shown_by)).size > 1;
  return ["server", "client"].map((side) => {
    const own = story.chain.filter((one) => (one.shown_by || "server") === side);
    return own.length ? [both ? el("h3", { class: `of-${side}` }, `Shown by the ${side}`) : null, chainOf(story, own)] : null;
  });
}

function chainOf(story, own) {
  return el("ol", { class: "chain" }, own.map((certificate) => {
    const index = story.chain.indexOf(certificate);
    const signer = certificate.signed_by === null ? null : story.chain[certificate.signed_by];
    return el("li", { class: `certificate by-${certificate.shown_by || "server"} role-${certificate.role.replace(/\W+/g, "-")}` },
      el("article", { "aria-labelledby": `certificate-${index}` },
        el("p", { class: "role" }, certificate.role),
        el("h3", { id: `certificate-${index}` }, certificate.subject || certificate.names[0] || "(no name)"),
        validity(certificate),
        terms([
          ["names", certificate.names.length ? certificate.names.join(", ") : null],
          ["issuer", certificate.issuer], ["key", certificate.key],
          ["signed with", certificate.signature], ["serial number", el("code", {}, certificate.serial)],
        ]),
        certificate.checks.length ? [el("h4", {}, "What was checked"), checks(certificate.checks)] : null,
        certificate.bytes ? folded("Every byte of it", () =>
          inspector(`the certificate of ${certificate.subject}`, certificate.bytes, certificate.fields)) : null,
        certificate.shell ? folded("Look at it yourself", () => snippet("Shell", certificate.shell)) : null),
      el("p", { class: "signed-by" }, signed(certificate, signer, index)));
  }));
}

function signed(certificate, signer, index) {
  if (signer === certificate || certificate.signed_by === index) {
    return "It is signed with its own key, which proves nothing." + (certificate.role === "trust anchor"
      ? " It is believed because it is in the trust store." : "");
  }
  if (signer) return ["signed by ", el("a", { href: `#certificate-${certificate.signed_by}` }, signer.subject || "(no name)")];
  return certificate.role === "trust anchor" ? "Believed because it is in the trust store, not because somebody signed it."
    : "Who signed it is not in this story.";
}

function validity(certificate) {
  return el("p", { class: "validity" }, el("time", {}, certificate.not_before), " to ", el("time", {}, certificate.not_after));
}

function checks(rows) {
  return el("ul", { class: "checks" }, rows.map(([what, result]) => el("li", {}, el("b", {}, what), " ", result)));
}
