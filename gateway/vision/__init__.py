"""Picture decoding in a sandboxed worker process, and picture quality."""
