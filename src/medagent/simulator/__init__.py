"""A server that speaks the Azure OpenAI Realtime protocol, and a caller who phones."""
