"""The half that makes the Secret true again."""
