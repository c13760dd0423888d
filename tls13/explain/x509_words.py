"""The places of a certificate as RFC 5280 names them, and what each is for."""

from __future__ import annotations

from typing import NamedTuple

TAGS = {
    0x01: "BOOLEAN", 0x02: "INTEGER", 0x03: "BIT STRING", 0x04: "OCTET STRING", 0x05: "NULL",
    0x06: "OBJECT IDENTIFIER", 0x0A: "ENUMERATED", 0x0C: "UTF8String", 0x13: "PrintableString", 0x14: "TeletexString",
    0x16: "IA5String", 0x17: "UTCTime", 0x18: "GeneralizedTime", 0x1E: "BMPString", 0x30: "SEQUENCE", 0x31: "SET",
}  # fmt: skip


class Shape(NamedTuple):
    """What is inside an element: `places` in order, or any number `of` one. `wrapped`: a BIT STRING that holds DER."""

    name: str = ""
    places: tuple[Place, ...] = ()
    of: Place | None = None
    wrapped: bool = False


class Place(NamedTuple):
    """A named place. `tag`: the only one that fits; None: any does."""

    name: str
    tag: int | None = None
    shape: Shape | None = None
    optional: bool = False
    text: bool = False
    section: str = ""

    def fits(self, tag: int) -> bool:
        return self.tag is None or self.tag == tag


ANY = Shape()
ALGORITHM = Shape("", (Place("algorithm", 0x06), Place("parameters", optional=True)))
ATTRIBUTE = Shape("", (Place("type", 0x06), Place("value")))
NAME = Shape(
    "", of=Place("RelativeDistinguishedName", 0x31, Shape("", of=Place("AttributeTypeAndValue", 0x30, ATTRIBUTE)))
)
VALIDITY = Shape("", (Place("notBefore"), Place("notAfter")))
KEY = Shape("", (Place("algorithm", 0x30, ALGORITHM, section="RFC 5280, 4.1.2.7"), Place("subjectPublicKey", 0x03)))
EXTENSION = Shape("", (Place("extnID", 0x06), Place("critical", 0x01, optional=True), Place("extnValue", 0x04)))
EXTENSIONS = Shape("", (Place("Extensions", 0x30, Shape("", of=Place("Extension", 0x30, EXTENSION))),))
TO_BE_SIGNED = Shape(
    "",
    (
        Place("version", 0xA0, optional=True, section="RFC 5280, 4.1.2.1"),
        Place("serialNumber", 0x02, section="RFC 5280, 4.1.2.2"),
        Place("signature", 0x30, ALGORITHM, section="RFC 5280, 4.1.2.3"),
        Place("issuer", 0x30, NAME, section="RFC 5280, 4.1.2.4"),
        Place("validity", 0x30, VALIDITY, section="RFC 5280, 4.1.2.5"),
        Place("subject", 0x30, NAME, section="RFC 5280, 4.1.2.6"),
        Place("subjectPublicKeyInfo", 0x30, KEY, section="RFC 5280, 4.1.2.7"),
        Place("issuerUniqueID", 0x81, optional=True, section="RFC 5280, 4.1.2.8"),
        Place("subjectUniqueID", 0x82, optional=True, section="RFC 5280, 4.1.2.8"),
        Place("extensions", 0xA3, EXTENSIONS, optional=True, section="RFC 5280, 4.1.2.9"),
    ),
)
CERTIFICATE = Shape(
    "",
    (
        Place("tbsCertificate", 0x30, TO_BE_SIGNED, section="RFC 5280, 4.1.1.1"),
        Place("signatureAlgorithm", 0x30, ALGORITHM, section="RFC 5280, 4.1.1.2"),
        Place("signatureValue", 0x03, section="RFC 5280, 4.1.1.3"),
    ),
)

EXTENSION_VALUES: dict[str, tuple[str, Shape]] = {
    "2.5.29.14": ("RFC 5280, 4.2.1.2", Shape("SubjectKeyIdentifier")),
    "2.5.29.15": ("RFC 5280, 4.2.1.3", Shape("KeyUsage")),
    "2.5.29.17": ("RFC 5280, 4.2.1.6", Shape("SubjectAltName", of=Place("GeneralName", text=True))),
    "2.5.29.18": ("RFC 5280, 4.2.1.7", Shape("IssuerAltName", of=Place("GeneralName", text=True))),
    "2.5.29.19": (
        "RFC 5280, 4.2.1.9",
        Shape("BasicConstraints", (Place("cA", 0x01, optional=True), Place("pathLenConstraint", 0x02, optional=True))),
    ),
    "2.5.29.30": ("RFC 5280, 4.2.1.10", Shape("NameConstraints")),
    "2.5.29.31": ("RFC 5280, 4.2.1.13", Shape("CRLDistributionPoints")),
    "2.5.29.32": ("RFC 5280, 4.2.1.4", Shape("CertificatePolicies")),
    "2.5.29.35": (
        "RFC 5280, 4.2.1.1",
        Shape("AuthorityKeyIdentifier", (Place("keyIdentifier", 0x80, optional=True),)),
    ),
    "2.5.29.37": ("RFC 5280, 4.2.1.12", Shape("ExtKeyUsageSyntax", of=Place("KeyPurposeId", 0x06))),
    "1.3.6.1.5.5.7.1.1": ("RFC 5280, 4.2.2.1", Shape("AuthorityInfoAccessSyntax")),
    "1.3.6.1.5.5.7.1.24": ("RFC 7633, 4", Shape("TLSFeatures")),
    "1.3.6.1.4.1.11129.2.4.2": ("RFC 6962, 3.3", Shape("SignedCertificateTimestampList")),
}
"""By the extension's dotted OID: its section, and what its value holds."""

MEANINGS = {
    "Certificate": "A statement that this key belongs to these names, signed by somebody.",
    "tbsCertificate": "What is signed.",
    "version": "2 means version 3, the one with extensions.",
    "serialNumber": "No other certificate of this issuer has it; random, so that nobody can foresee what is signed.",
    "signature": "How the issuer has signed; the same as below, but inside what is signed.",
    "signatureAlgorithm": "How the issuer has signed.",
    "signatureValue": "The issuer's signature over tbsCertificate.",
    "algorithm": "Which algorithm, by its object identifier.",
    "parameters": "What belongs to the algorithm: its curve, its hash, or nothing.",
    "issuer": "Who has signed.",
    "subject": "Whose key it is; for servers the names in subjectAltName count, not this.",
    "RelativeDistinguishedName": "One step of a name.",
    "AttributeTypeAndValue": "What kind of name, and the name.",
    "type": "What kind of name this is.",
    "value": "The name.",
    "validity": "From when to when the certificate holds.",
    "notBefore": "Before this moment it does not hold yet.",
    "notAfter": "After this moment it does not hold any more.",
    "subjectPublicKeyInfo": "The key that this is all about.",
    "subjectPublicKey": "The public key itself.",
    "issuerUniqueID": "A relic of version 2.",
    "subjectUniqueID": "A relic of version 2.",
    "extensions": "What version 3 has added: what the key may be used for, and for which hosts.",
    "Extensions": "One after the other, each with its identifier.",
    "Extension": "An extension; if it is critical, who does not know it must refuse the certificate.",
    "extnID": "Which extension this is.",
    "critical": "Whether who does not know this extension must refuse the certificate.",
    "extnValue": "The extension's own DER, in an OCTET STRING.",
    "subjectAltName": "The names that the certificate is for: what a client compares with the host that it wants.",
    "issuerAltName": "Other names of the issuer.",
    "SubjectAltName": "The names that the certificate is for.",
    "IssuerAltName": "Other names of the issuer.",
    "GeneralName": "A name: of a host, an address, a mailbox, ...",
    "keyUsage": "What the key may do: sign for TLS, sign certificates, ...",
    "KeyUsage": "One bit for each thing that the key may do.",
    "extendedKeyUsage": "For which purposes the certificate is: to be a server, to be a client, ...",
    "ExtKeyUsageSyntax": "The purposes.",
    "KeyPurposeId": "One purpose, by its object identifier.",
    "basicConstraints": "Whether this is an authority, which may sign other certificates.",
    "BasicConstraints": "Whether this is an authority, and how long a chain below it may be.",
    "cA": "Whether the key may sign certificates.",
    "pathLenConstraint": "How many authorities may follow below this one.",
    "subjectKeyIdentifier": "A short name of this key, by which its certificates are found.",
    "SubjectKeyIdentifier": "A short name of this key.",
    "authorityKeyIdentifier": "A short name of the key that has signed, by which the issuer is found.",
    "AuthorityKeyIdentifier": "A short name of the key that has signed.",
    "keyIdentifier": "The short name: as a rule, a hash of the key.",
    "nameConstraints": "For which names an authority may sign.",
    "cRLDistributionPoints": "Where to ask whether it was revoked.",
    "authorityInfoAccess": "Where the issuer's certificate is, and who answers about revocation (OCSP).",
    "certificatePolicies": "Under which rules it was issued.",
    "TLSFeature": "What the server promises to do, such as to staple an OCSP response.",
    "signedCertificateTimestampList": "Proofs that the certificate is in public logs.",
}
"""By the name of a place, and (for a whole extension) by the name of its identifier."""
