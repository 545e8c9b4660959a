# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What the system tests speak: raw SMTP, IMAP and ManageSieve, and commands on the hosts of a lab."""
