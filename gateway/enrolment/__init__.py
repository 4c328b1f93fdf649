"""Enrolment of this machine at the centre: the one-time code, the request, the renewal."""
