# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Runs inside a container: asks the real smtpd of one Debian release. Standard library and dnspython only."""
