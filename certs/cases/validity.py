"""Certificates before and after their time (RFC 5280, section 4.1.2.5)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from certs.bench import DAY, shifted
from certs.catalogue import EXPIRED, MALFORMED, NOT_YET_VALID, case
from certs.der import GENERALIZED_TIME, SEQUENCE, UTC_TIME, VALIDITY, Surgery, children, encode

if TYPE_CHECKING:
    from certs.bench import Bench, Exhibit

_RULE = "RFC 5280, section 4.1.2.5"


@case(EXPIRED, _RULE)
def expired_leaf(bench: Bench) -> Exhibit:
    """The leaf's notAfter was a week ago."""
    return bench.show(bench.leaf(shifted(not_before=-90 * DAY, not_after=-7 * DAY, now=bench.now)))


@case(EXPIRED, _RULE)
def expired_a_second_ago(bench: Bench) -> Exhibit:
    """The leaf's notAfter was one second ago: that second was the last valid one."""
    return bench.show(bench.leaf(shifted(not_after=timedelta(seconds=-1), now=bench.now)))


@case(EXPIRED, _RULE, says="Workshop special CA")
def expired_intermediate(bench: Bench) -> Exhibit:
    """The leaf is valid, but the only certificate of its issuer is not any more."""
    issuer = bench.ca(shifted(not_before=-90 * DAY, not_after=-DAY, now=bench.now))
    return bench.show(bench.leaf(issuer=issuer), issuer.chain)


@case(EXPIRED, _RULE, says="Workshop special root")
def expired_root(bench: Bench) -> Exhibit:
    """The trusted root has expired: trust was given until then."""
    root = bench.own_root(shifted(not_before=-90 * DAY, not_after=-DAY, now=bench.now))
    return bench.show(bench.leaf(issuer=root), (), roots=[root.certificate])


@case(NOT_YET_VALID, _RULE)
def not_yet_valid_leaf(bench: Bench) -> Exhibit:
    """The leaf's notBefore is tomorrow."""
    return bench.show(bench.leaf(shifted(not_before=DAY, now=bench.now)))


@case(NOT_YET_VALID, _RULE)
def not_yet_valid_intermediate(bench: Bench) -> Exhibit:
    """The intermediate's notBefore is tomorrow."""
    issuer = bench.ca(shifted(not_before=DAY, now=bench.now))
    return bench.show(bench.leaf(issuer=issuer), issuer.chain)


@case(NOT_YET_VALID, _RULE)
def not_yet_valid_root(bench: Bench) -> Exhibit:
    """The trusted root's notBefore is tomorrow."""
    root = bench.own_root(shifted(not_before=DAY, now=bench.now))
    return bench.show(bench.leaf(issuer=root), (), roots=[root.certificate])


@case(EXPIRED, _RULE)
def validity_inverted(bench: Bench) -> Exhibit:
    """notAfter lies before notBefore: valid at no time at all."""
    surgery = Surgery(bench.leaf(shifted(not_before=-90 * DAY, not_after=-DAY, now=bench.now)))
    surgery.fields[VALIDITY] = encode(SEQUENCE, *reversed(children(surgery.fields[VALIDITY])))
    return bench.show(surgery.sign(bench.intermediate.private_key))


@case(EXPIRED, _RULE)
def expired_in_the_last_century(bench: Bench) -> Exhibit:
    """A UTCTime of the year 99: two digits from 50 on mean the twentieth century."""
    surgery = Surgery(bench.leaf())
    surgery.fields[VALIDITY] = encode(SEQUENCE, encode(UTC_TIME, b"980101000000Z"), encode(UTC_TIME, b"991231235959Z"))
    return bench.show(surgery.sign(bench.intermediate.private_key))


@case(MALFORMED, _RULE)
def time_without_seconds(bench: Bench) -> Exhibit:
    """A GeneralizedTime without seconds, which RFC 5280's profile of DER does not allow."""
    surgery = Surgery(bench.leaf())
    start = children(surgery.fields[VALIDITY])[0]
    surgery.fields[VALIDITY] = encode(SEQUENCE, start, encode(GENERALIZED_TIME, b"209901010000Z"))
    return bench.show(surgery.sign(bench.intermediate.private_key))
