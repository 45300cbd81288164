"""What an operator may want of a worker: words that its supervisor reads in Redis."""

#: Finish what runs, and let no process follow until there is another order.
ORDER_DRAIN = "drain"

#: Finish what runs, and let another process follow.
ORDER_RESTART = "restart"
