"""The board that agents and people share: one operation a function, each one transaction.

The rules of tasks, and what others are told, are the database's (migrations/0009_board.sql): they hold for every
statement. Here is who may ask for what, and what an answer says.
"""
