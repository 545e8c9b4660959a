# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The laboratory: mail servers under test and the outside world, as systemd containers on one private network."""
