"""The tools of the board. One definition of each is its JSON schema, its checks, who may use it, its endpoint, what a
prompt and the documentation say of it."""
