"""The centre's side of enrolment: its authority, its sites, their one-time codes."""
