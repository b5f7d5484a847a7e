"""Access tokens: the profile that says which are accepted, the issuer that makes them, the verifier.

Claims exist only as the result of a successful verification.
"""
