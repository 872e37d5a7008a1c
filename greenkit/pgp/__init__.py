"""OpenPGP: decrypt the files that Smart Meter Texas sends, and make the key pair that it requires.

gpg does the work, through python-gnupg. gpg writes plain text before it knows whether the message is complete, and
python-gnupg's ``ok`` is true even if the disk is full. So greenkit writes plain text to a temporary file first, and
uses it only if gpg reported that the message was decrypted *and* exited with 0.
"""

from greenkit.pgp._keyring import MAX_OUTPUT, Decryption, Key, Keyring, new_key

__all__ = ["MAX_OUTPUT", "Decryption", "Key", "Keyring", "new_key"]
