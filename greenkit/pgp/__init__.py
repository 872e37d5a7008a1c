"""OpenPGP: decrypt what Smart Meter Texas sends, make the key pair that it asks for.

gpg does the work, through python-gnupg. gpg writes plain text before it knows whether the message is whole, and
python-gnupg's ``ok`` is true for a full disk; so plain text always goes to a part file first, and is used only when
gpg said that the message was decrypted *and* exited with 0.
"""

from greenkit.pgp._keyring import MAX_OUTPUT, Key, Keyring, new_key

__all__ = ["MAX_OUTPUT", "Key", "Keyring", "new_key"]
