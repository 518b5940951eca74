"""What every part needs: which block governs, what it trusts, and the contexts that verify by that."""
