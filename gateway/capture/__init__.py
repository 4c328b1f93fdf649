"""Pictures of a capture device on this machine (V4L2), as H.264: for analogue cameras."""
