# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The simulator of the restriction engine against the real smtpd of every release."""
