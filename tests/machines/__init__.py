"""The product on the machines it is deployed on, emulated: Debian 12, real systemd, real kernel."""
