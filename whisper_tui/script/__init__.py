"""Scripts: a mesh driven and judged without a screen (`whisper-tui --script NAME_OR_FILE`)."""
