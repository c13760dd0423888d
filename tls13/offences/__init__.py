"""One class for each way in which a peer can break a rule. Users find them all in tls13.errors.

Nobody needs them as long as nobody breaks one, and a hundred classes take a millisecond to make: `errors` loads this
package when one of them is first named. So the core says `raise errors.BadFinished`, and never imports them by name.
"""

from .alerts import *  # noqa: F403
from .certificates import *  # noqa: F403
from .illegal import *  # noqa: F403
from .unexpected import *  # noqa: F403
