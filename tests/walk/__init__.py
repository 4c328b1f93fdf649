"""An installer's way from a fresh Debian to a picture at the centre, by docs/install.md."""
