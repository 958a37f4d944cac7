"""`dragoman map`: one change in, its outcome explained."""
