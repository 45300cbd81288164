"""Texts that the tests ask about."""

#: As what it is sent.
TYPE, ENCODING = "text", "utf8"

ENGLISH = "The parcel arrived late, and one corner of the box was open."

IN_LANGUAGES = (
    ENGLISH,
    "Das Paket kam spät an, und eine Ecke der Schachtel war offen.",
    "Le colis est arrivé en retard et un coin de la boîte était ouvert.",
    "包裹昨天才到 盒子的一角是开着的",
)

#: Nearly of one length: what is filled up to the longest costs as well.
SENTENCES = (
    ENGLISH,
    "The box came open before it was brought to my door in March.",
    "Where can I see what I ordered, and who has signed for it?",
    "Thanks, all is well now: the box was at the neighbour's door.",
)

ARABIC = ("السلام عليكم", "كتب الولد الدرس", "هذا كتاب جديد", "أين الطريق إلى المدينة")
