"""Every bound of the channels, and what happens at it."""

TEMPLATE_CHARACTERS_MAX = 200_000
"""Length of one template; a longer one is refused when the workspace is checked."""

OUTPUT_BYTES_MAX = 1_000_000
"""What one field may render to; beyond, the message is unrenderable."""

LOOP_ITERATIONS_MAX = 10_000
"""Turns of all loops of one field together; beyond, the message is unrenderable."""

LOCALS_BYTES_MAX = 2_000_000
"""Size of what a template assigns and captures."""

DEPTH_MAX = 10
"""Nesting of included parts."""

NESTING_MAX = 30
"""Nesting of blocks in one template."""

INTEGER_BITS_MAX = 256
"""Size of a whole number that a filter may give."""

PARSED_TEMPLATES_MAX = 2_000
"""Parsed templates kept; the least recently used is forgotten."""

TEMPLATES_KEPT_CHARACTERS_MAX = 50_000
"""A longer template is parsed each time, so that the cache stays small."""

DELIVERIES_AT_ONCE_MAX = 50
"""Letters in the air at one time to one provider."""

PLACE_SECONDS_MAX = 5.0
"""How long a letter waits to be one of them; then it is tried again later."""

REPLY_BYTES_MAX = 1_000_000
"""What is read of a provider's answer; beyond, the rest is not read."""

CONNECT_SECONDS_MAX = 10.0
"""Time to reach a provider; nothing was sent by then, so it is tried again later."""

ANSWER_SECONDS_MAX = 30.0
"""Time for a provider to answer what was sent."""

SMTP_CONNECTIONS_MAX = 8
"""Connections to one mail server."""

SMTP_PLACE_SECONDS_MAX = 10.0
"""How long a letter waits for one of them; then it is tried again later."""

SMTP_LETTER_SECONDS_MAX = 30.0
"""Time for one letter's whole conversation, from connecting to the last reply."""

LETTER_SECONDS_MAX = 45.0
"""Time for one letter on any channel, waiting for a connection included. With the wait for a
place it stays under the minute after which a host gives its worker up."""

SMTP_IDLE_SECONDS_MAX = 60.0
"""How long a connection to a mail server is kept for the next letter."""

SMTP_LETTERS_MAX = 100
"""Letters over one connection; many servers close it at about as many."""

SUBJECT_CHARACTERS_MAX = 500
"""Length of a subject; the rest is cut off at a word."""

DETAIL_CHARACTERS_MAX = 500
"""What is kept of a provider's words about a failure."""

SMS_SEGMENTS_MAX = 10
"""Segments of one text message; providers refuse more."""

ADDRESS_CHARACTERS_MAX = 320
"""Length of an address (RFC 5321: 64 before the sign, 255 after it)."""

CALLBACK_BYTES_MAX = 5_000_000
"""Size of a provider's callback; a larger one is refused."""

CALLBACK_AGE_SECONDS_MAX = 300
"""How old a signed callback may be, where its signature covers a time."""

SES_TAG_CHARACTERS_MAX = 256
"""Length of a message tag of Amazon SES; a longer identity is left out, and receipts are then
matched by the message's name."""

SLACK_CHARACTERS_MAX = 3_000
"""Slack's own bound on a section of text; a longer one is cut, and says so."""

BREAKER_FAULTS_MAX = 5
"""Faults of a provider in a row; then it is left alone for a while."""

BREAKER_SECONDS_LEAST = 5.0
"""How long at first; doubled each time it turns out to be in trouble still."""

BREAKER_SECONDS_MAX = 300.0
"""How long at most, also where a provider asks for more."""

BREAKER_DOWN_SECONDS = 120.0
"""How long a provider is in trouble before its letters are left to other channels."""

GOODBYE_SECONDS_MAX = 0.05
"""Time that a closing courier gives its connections to end."""

TEXT_CHARACTERS_MAX = 1_600
"""What is kept of a text that a customer wrote; Twilio joins no more."""

PUSH_BYTES_MAX = 3_000
"""Text of one push; FCM takes 4,096 bytes with all that goes with it, Web Push 3,993."""

TRACKED_URL_CHARACTERS_MAX = 2_000
"""Length of a link that is led through Segue; a longer one is left as it is."""

TOKEN_SECONDS_LEFT = 120
"""How long before its end a provider's token is exchanged for another."""

AUDIENCE_SIZE_MAX = 500
"""People in one request that changes an audience; the providers take 10,000."""

AUDIENCE_ROWS_MAX = 200
"""Rows of a customer's outbox that are looked through for a later change of the same audience."""

PUSH_SECONDS_MAX = 28 * 86_400
"""How long a push service is asked to keep a message at most; none keeps it longer."""

PAGE_DEPTH_MAX = 100
"""Elements of an email that stand in one another; beyond, it is unrenderable."""

PARTS_PUT_MAX = 1_000
"""Parts put into one template while its markup is checked; what stands in more is not looked at."""

GMAIL_BYTES_MAX = 102 * 1024
"""HTML of an email that Gmail shows whole; of a longer one a preview says so."""

OPAQUE_CHARACTERS_MAX = 512
"""What WhatsApp gives back with a receipt; longer identities are found by the message's name."""
