"""The network: the SDK's client, models and prices, requests, events. The only room that imports the SDK."""
