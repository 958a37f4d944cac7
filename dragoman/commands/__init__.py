"""What the command can do, one noun per file. What a command needs is imported when it runs, so that help is quick."""
