"""What the commands of `whisper-tui` do; `whisper_tui.cli` parses and imports one of these when it is needed."""
