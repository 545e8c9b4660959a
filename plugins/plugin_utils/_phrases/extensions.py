# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kinds of files that run something when they are opened.

Facts from what others refuse, as their help pages list it: Gmail ("File types blocked in Gmail", answer 6590), Outlook
and Outlook on the web ("Blocked attachments in Outlook"; BlockedFileTypes of the mailbox policy). Left out on purpose:
certificates (cer, crt, der), old multimedia and database files (asx, mdb, pst), web pages and text, which people send
each other.
"""

from __future__ import annotations

DANGEROUS = "dangerous"
"""Stands for all of them."""

_GMAIL = (
    "ade adp apk appx appxbundle bat cab chm cmd com cpl diagcab diagcfg diagpkg dll dmg ex ex_ exe hta img ins iso "
    "isp jar jnlp js jse lib lnk mde mjs msc msi msix msixbundle msp mst nsh pif ps1 scr sct shb sys vb vbe vbs vhd "
    "vxd wsc wsf wsh xll"
)
_OUTLOOK = (
    "app appcontent-ms application appref-ms bas cdxml csh fxp gadget hlp hpj htc inf its ksh library-ms mad maf mag "
    "mam maq mar mas mat mau mav maw mda mdt mdw mdz msh msh1 msh1xml msh2 msh2xml mshxml msu ops osd pcd plg prf prg "
    "printerexport ps1xml ps2 ps2xml psc1 psc2 psd1 psdm1 psm1 pssc reg scf search-ms settingcontent-ms shs theme udl "
    "url vbp vhdx vsmacros vsw webpnp website wsb ws xbap xnk"
)
DANGEROUS_EXTENSIONS: tuple[str, ...] = tuple(sorted({*_GMAIL.split(), *_OUTLOOK.split()}))
