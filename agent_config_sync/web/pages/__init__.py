"""The pages of the admin: made here, on the server, and whole without JavaScript."""
