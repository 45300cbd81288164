"""What an operator may want of workers: what their supervisor reads in Redis."""

#: Finish what runs, and let no process follow until there is another order.
ORDER_DRAIN = "drain"

#: Finish what runs, and let another process follow.
ORDER_RESTART = "restart"

#: Most processes of an ability that an operator may want on one host's CPU.
MAX_SIZE = 64
