"""Who is alive: SWIM with Lifeguard, helped by hints from AXL."""
