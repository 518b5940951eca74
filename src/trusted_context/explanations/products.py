"""Products that inspect TLS, known by the names of their CAs."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.certificate import Certificate

# What the makers' manuals and the CAs seen in bug reports are called. A maker that also has public CAs, or sites of
# its own, is matched by the product's name alone: Symantec, Cisco, Cloudflare, Microsoft.
_PRODUCTS = (
    ("Zscaler", r"zscaler"),
    ("Netskope", r"netskope|goskope"),
    (
        "Palo Alto Networks",
        r"palo ?alto (network|fire|decrypt|forward|ssl|tls|root|ca|(un)?trust|sub)|prisma access|globalprotect",
    ),
    ("Fortinet FortiGate", r"forti(net|gate|guard|proxy|sase|client)|\bFG[TV]?\w*\d{6,}"),
    ("Cisco Umbrella", r"cisco umbrella|opendns"),
    ("Cisco Secure Access", r"cisco (secure (access|web)|web security|sse)|\bironport\b"),
    ("Symantec Blue Coat", r"blue ?coat|proxysg|symantec (web security service|wss|cloud swg|secure web gateway)"),
    ("Forcepoint", r"forcepoint|websense"),
    ("Check Point", r"check ?point"),
    ("Sophos", r"sophos|astaro"),
    ("Skyhigh (McAfee, Trellix)", r"mcafee|skyhigh|trellix"),
    ("Barracuda", r"barracuda"),
    ("WatchGuard", r"watchguard|fireware"),
    ("SonicWall", r"sonicwall"),
    ("iboss", r"\biboss\b"),
    ("Menlo Security", r"menlo ?security"),
    ("Cato Networks", r"cato networks|\bcato\b.*\bCA\b"),
    ("Cloudflare Gateway", r"cloudflare for teams|cloudflare gateway|gateway ca - cloudflare|cloudflare managed g\d"),
    ("ContentKeeper", r"contentkeeper"),
    ("Lightspeed", r"lightspeed (rocket|systems|filter|relay)"),
    ("Securly", r"\bsecurly\b"),
    ("GoGuardian", r"goguardian"),
    ("Smoothwall", r"smoothwall"),
    ("Linewize", r"linewize|family zone"),
    ("Versa", r"versa networks"),
    ("Trend Micro", r"trend ?micro.*(web|gateway|inspection)|\biws(va|aas)\b"),
    ("A10", r"a10 networks"),
    ("F5 SSL Orchestrator", r"ssl orchestrator"),
    ("Juniper", r"juniper.*(ssl|proxy)"),
    ("Huawei", r"huawei.*(ssl|proxy|decrypt)"),
    ("Sangfor", r"sangfor"),
    ("pfSense", r"pfsense"),
    ("OPNsense", r"opnsense"),
    ("Untangle", r"untangle|edge threat management"),
    ("Squid", r"\bsquid\b"),
    ("Kaspersky", r"kaspersky"),
    ("ESET", r"\beset\b"),
    ("Avast", r"\bavast\b"),
    ("AVG", r"\bavg\b"),
    ("Bitdefender", r"bitdefender"),
    ("Norton", r"norton (web|safe|360|security|antivirus|self)|nortonlifelock"),
    ("Dr.Web", r"dr\.? ?web\b"),
    ("AdGuard", r"adguard"),
    ("mitmproxy", r"mitmproxy"),
    ("Charles", r"charles proxy"),
    ("Fiddler", r"do_not_trust_fiddler|\bfiddler"),
    ("Burp Suite", r"portswigger|\bburp\b"),
    ("ZAP", r"zed attack proxy|\bzap\b.*root|owasp zap"),
    ("Proxyman", r"proxyman"),
    ("HTTP Toolkit", r"http toolkit"),
    ("Requestly", r"\brequestly\b"),
    ("Superfish", r"superfish"),
)
# Antivirus programs and debugging proxies run on the user's own machine, and show their CA in their settings.
OF_ONES_OWN = frozenset(
    {
        "AVG",
        "AdGuard",
        "Avast",
        "Bitdefender",
        "Burp Suite",
        "Charles",
        "Dr.Web",
        "ESET",
        "Fiddler",
        "HTTP Toolkit",
        "Kaspersky",
        "Norton",
        "Proxyman",
        "Requestly",
        "ZAP",
        "mitmproxy",
    }
)
_PATTERN = re.compile(
    "|".join(f"(?P<product{place}>{pattern})" for place, (_, pattern) in enumerate(_PRODUCTS)), re.IGNORECASE
)
# A name may be as long as a message allows; a maker's stands at its beginning.
_LOOKED_AT = 400


def product_of(chain: Iterable[Certificate]) -> str | None:
    """The product whose CA signed a certificate of *chain*, by its name; a name proves nothing.

    What the server's own certificate says of itself is not looked at: makers of such products have web sites.
    """
    for certificate in chain:
        found = _PATTERN.search(certificate.issuer_words[:_LOOKED_AT])
        if found is not None:
            return _PRODUCTS[int(str(found.lastgroup).removeprefix("product"))][0]
    return None
