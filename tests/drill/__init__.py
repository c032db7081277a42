"""Fault drill: whatever fails, no frame is lost. See `docs/drill.md`; run it with `make drill`."""
