"""The sentences of the sample tickets: topics, phrasings, and what surrounds them.

Each topic has two sets of phrasings. Tickets draw from the first; a true duplicate tells the same
incident in the words of the second.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """One thing that customers write about.

    Attributes
    ----------
    subjects, first, second : tuple of str
        Subject lines and two sets of phrasings; slots in braces.
    foreign : tuple of str
        The same concern in other languages and scripts.
    urgency : float
        From 0 (can wait) to 1 (cannot), before the words of the text count.
    hours : float
        Usual hours to resolve.
    """

    subjects: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    foreign: tuple[str, ...]
    urgency: float
    hours: float


TOPICS: dict[str, Topic] = {
    "billing": Topic(
        ("Wrong amount charged", "Billing question", "Charged twice", "My last payment"),
        (
            "I was charged {amount} twice for order {order}.",
            "My card shows {amount} although the price was lower.",
            "There are two payments of {amount} on my statement.",
            "Your last bill is {amount} too high.",
            "Why did you take {amount} from my account on {day}?",
            "The discount for {product} is missing, I paid the full {amount}.",
        ),
        (
            "You have debited {amount} from me more than once.",
            "My bank says that you collected the sum of {amount} a second time.",
            "I see a double transaction over {amount} that I cannot explain.",
            "What I paid for {product} does not match the price you advertised.",
        ),
        (
            "Mir wurden {amount} doppelt abgebucht.",
            "Me han cobrado {amount} dos veces.",
            "二重に請求されています。",
            "С меня дважды списали {amount}.",
        ),
        0.5,
        20,
    ),
    "login": Topic(
        ("Cannot log in", "Password problem", "Locked out", "Sign-in fails"),
        (
            "I cannot log in to {product} since {day}.",
            "The password reset mail never arrives.",
            "My account is locked after three attempts.",
            "The login page keeps sending me back to the start.",
            "The code for two-factor login is always rejected.",
            "It says that my user name does not exist.",
        ),
        (
            "Signing in does not work for me any more.",
            "I have been waiting for the link that sets a new password.",
            "Your system refuses my credentials although they are right.",
            "I get thrown out as soon as I enter the one-time code.",
        ),
        (
            "Ich kann mich nicht anmelden.",
            "No puedo iniciar sesión en mi cuenta.",
            "ログインできません。",
            "لا أستطيع تسجيل الدخول إلى حسابي.",
        ),
        0.6,
        6,
    ),
    "delivery": Topic(
        ("Parcel not here", "Where is my order", "Late delivery", "Shipping status"),
        (
            "Order {order} should have been here on {day}.",
            "My parcel has not arrived, tracking has not moved for {days} days.",
            "The courier left the box with a neighbour I do not know.",
            "Half of order {order} is missing from the parcel.",
            "The {product} was delivered to my old address in {city}.",
            "When will you ship my {product}?",
        ),
        (
            "I am still waiting for the package with number {order}.",
            "The shipment seems to be stuck somewhere near {city}.",
            "Nothing was handed over to me, although it is marked as delivered.",
            "After {days} days there is no trace of my consignment.",
        ),
        (
            "Mein Paket ist noch nicht angekommen.",
            "Mi pedido {order} no ha llegado.",
            "荷物がまだ届きません。",
            "Посылка не пришла.",
        ),
        0.5,
        48,
    ),
    "refund": Topic(
        ("Refund", "Money back", "Return of my order", "Refund still missing"),
        (
            "I returned the {product} {days} days ago and want my money back.",
            "When will the refund of {amount} reach my account?",
            "You promised a refund for order {order}, nothing has come.",
            "I want to send the {product} back and be refunded.",
            "Only a part of {amount} was paid back.",
        ),
        (
            "The reimbursement for the item I sent back is overdue.",
            "Please return the {amount} that I paid for order {order}.",
            "I have given the goods back and see no credit so far.",
        ),
        (
            "Wann bekomme ich mein Geld zurück?",
            "Quiero la devolución de {amount}.",
            "返金をお願いします。",
        ),
        0.45,
        72,
    ),
    "cancellation": Topic(
        ("Cancel my plan", "End of contract", "Please cancel", "Subscription"),
        (
            "Please cancel my subscription to {product} at the end of the month.",
            "I no longer need {product} and want to end the contract.",
            "How do I stop the renewal of my plan?",
            "I cancelled on {day} but the plan was renewed.",
            "Close my account, I am moving to another provider.",
        ),
        (
            "I hereby give notice for my {product} contract.",
            "Do not prolong my membership any further.",
            "I would like to quit the service, please confirm the last day.",
        ),
        (
            "Ich möchte meinen Vertrag kündigen.",
            "Quiero cancelar mi suscripción.",
            "解約したいです。",
        ),
        0.2,
        24,
    ),
    "crash": Topic(
        ("App crashes", "Error after update", "It keeps closing", "Bug report"),
        (
            "{product} crashes as soon as I open it.",
            "Since the update on {day} I only get error {code}.",
            "The app closes when I press save.",
            "A white page appears instead of my projects.",
            "Error {code} comes up whenever I upload a file.",
            "The program freezes and I have to restart it.",
        ),
        (
            "The software quits by itself right after the start.",
            "With the new version nothing opens, there is only the message {code}.",
            "Whatever I store makes the application stop working.",
        ),
        (
            "Die App stürzt beim Öffnen ab.",
            "La aplicación se cierra sola.",
            "アプリがすぐに落ちます。",
            "Приложение вылетает с ошибкой {code}.",
        ),
        0.7,
        30,
    ),
    "performance": Topic(
        ("Very slow", "Loading takes for ever", "Timeouts", "Performance"),
        (
            "{product} has been terribly slow since {day}.",
            "Every page takes {days} seconds to load.",
            "Searches run into a timeout in the afternoon.",
            "The dashboard hangs when more than ten people use it.",
            "Uploads that took a minute now take an hour.",
        ),
        (
            "Everything reacts with a long delay these days.",
            "Response times of {product} have become unbearable.",
            "I wait and wait until a list appears.",
        ),
        ("Die Seite lädt extrem langsam.", "Todo va muy lento.", "動作がとても遅いです。"),
        0.55,
        40,
    ),
    "data_export": Topic(
        ("Export", "Download of my data", "Report as file", "CSV export"),
        (
            "How can I export all my data from {product}?",
            "The CSV export stops after a thousand lines.",
            "I need last year's figures as a spreadsheet.",
            "The downloaded report is empty.",
            "Please send me a copy of everything you store about me.",
        ),
        (
            "I am looking for a way to get our records out of {product}.",
            "The file I download has no content.",
            "Only a part of the table is written when I save it to disk.",
        ),
        (
            "Wie exportiere ich meine Daten?",
            "¿Cómo exporto mis datos?",
            "データを書き出したいです。",
        ),
        0.25,
        16,
    ),
    "integration": Topic(
        ("API question", "Webhook not called", "Integration fails", "API error {code}"),
        (
            "The API answers with {code} since {day}.",
            "Our webhook has not been called for {days} hours.",
            "The connection between {product} and our CRM is broken.",
            "Which header does the API need for the token?",
            "Requests from our server are rejected as too many.",
        ),
        (
            "Calls to your interface end with status {code}.",
            "Events from your side no longer reach our endpoint.",
            "Synchronisation with our other system has stopped.",
        ),
        ("Die Schnittstelle liefert Fehler {code}.", "La API devuelve el error {code}."),
        0.65,
        28,
    ),
    "security": Topic(
        ("Suspicious login", "Was my account hacked?", "Security alert", "Strange mail from you"),
        (
            "Somebody from {city} has logged in to my account.",
            "I received a message in your name that asks for my password.",
            "There are orders in my account that I did not make.",
            "My e-mail address was changed without my doing.",
            "I think that my access key has leaked.",
        ),
        (
            "A stranger seems to be using my profile.",
            "I am afraid that I have fallen for a phishing mail with your logo.",
            "Purchases were made in my name, please block everything.",
        ),
        (
            "Mein Konto wurde gehackt!",
            "Alguien ha entrado en mi cuenta.",
            "アカウントが乗っ取られました。",
        ),
        0.9,
        4,
    ),
    "account_change": Topic(
        ("New address", "Change of my data", "Wrong name", "Update my account"),
        (
            "Please change my delivery address to {city}.",
            "I have a new e-mail address, how do I enter it?",
            "My name is spelled wrong in my profile.",
            "Add a second user to our {product} account.",
            "I want to move my plan to my company.",
        ),
        (
            "I have moved to {city}, please correct what you have on file.",
            "Our contact person has changed, kindly update the record.",
            "Can a colleague get access with rights of their own?",
        ),
        (
            "Bitte ändern Sie meine Adresse.",
            "Quiero cambiar mi dirección.",
            "住所を変更したいです。",
        ),
        0.1,
        10,
    ),
    "feature_request": Topic(
        ("Idea", "Feature request", "Would be great", "Suggestion for {product}"),
        (
            "It would be great if {product} had a dark mode.",
            "Could you add reminders by text message?",
            "Please let us sort the list by date.",
            "I miss a way to undo the last step.",
            "Do you plan to support more languages?",
        ),
        (
            "I would love to see a darker colour scheme.",
            "One thing I wish for is taking back an action.",
            "An alert on the phone would help our team a lot.",
        ),
        (
            "Ein dunkles Design wäre schön.",
            "Me gustaría un modo oscuro.",
            "ダークモードが欲しいです。",
        ),
        0.03,
        120,
    ),
    "hardware": Topic(
        ("Device is broken", "Does not turn on", "Defective {product}", "Warranty"),
        (
            "The {product} does not turn on any more.",
            "The screen of my {product} has a crack.",
            "The battery lasts only {days} minutes.",
            "It gets very hot and smells burnt.",
            "The charging cable does not fit.",
        ),
        (
            "My {product} stays dark whatever button I press.",
            "The display arrived damaged, is that covered by the warranty?",
            "After a short while the power is gone again.",
        ),
        (
            "Das Gerät lässt sich nicht einschalten.",
            "El aparato no enciende.",
            "電源が入りません。",
        ),
        0.5,
        90,
    ),
    "invoice": Topic(
        ("Invoice needed", "Tax number", "Receipt for order {order}", "Invoice copy"),
        (
            "I need an invoice for order {order} with our tax number.",
            "The invoice of {day} has the wrong company name.",
            "Please send last month's receipt again.",
            "Our accountant needs the VAT listed separately.",
            "Where do I find my invoices in {product}?",
        ),
        (
            "For our books we require a corrected bill for {order}.",
            "The document you sent lacks the value added tax.",
            "Kindly mail me a duplicate of the receipt.",
        ),
        (
            "Ich brauche eine Rechnung mit Steuernummer.",
            "Necesito una factura.",
            "請求書を送ってください。",
        ),
        0.15,
        14,
    ),
}

PRODUCTS = (
    "Notely",
    "CloudDesk",
    "HomeHub",
    "SoundBar Mini",
    "FleetView",
    "PayLane",
    "Studio Pro",
    "TravelPass",
)
CITIES = ("Leeds", "Graz", "Porto", "Osaka", "Tampere", "Austin", "Lyon", "Durban", "Izmir", "Cork")
DAYS = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "the weekend",
    "the 3rd",
    "the 17th",
)
CHANNELS = ("email", "web form", "chat", "phone note")

GREETINGS = ("Hello,", "Hi there,", "Dear team,", "Good morning,", "hey", "To whom it may concern,")
CONTEXTS = (
    "I have been a customer for {days} years and never had this before.",
    "A colleague of mine sees the same thing.",
    "I have already tried it on another computer.",
    "The help page did not answer this.",
    "Your chat told me to write here.",
    "It worked without trouble until last week.",
    "I am travelling and can only be reached by mail.",
    "This is the second time that I write about it.",
    "I could not find anything about it in the forum.",
    "We use {product} every day in our office in {city}.",
)
REQUESTS = (
    "What can I do?",
    "Please look into it.",
    "Can somebody call me back?",
    "Please let me know how long it will take.",
    "I would be glad about a quick answer.",
    "Could you check that for me?",
)
URGENT = (
    "This is urgent, we lose money every hour!",
    "I need this solved TODAY.",
    "Our whole team is blocked, please hurry.",
    "If I hear nothing by tomorrow I will call my lawyer.",
    "asap please!!!",
)
RELAXED = (
    "There is no hurry.",
    "Whenever you find the time.",
    "Just asking, it is not important.",
    "It can wait until next month.",
)
CLOSINGS = (
    "Thanks!",
    "Kind regards",
    "Best wishes",
    "Many thanks in advance",
    "Cheers",
    "Regards,",
)
EMOJI = ("🙂", "😡", "🙏", "🤔", "😢", "👍")
SEPARATORS = ("By the way:", "One more thing:", "Besides,", "And another question:")
ADDITIONS = (
    "Addition: it happened again on {day}.",
    "Correction: the order number is {order}.",
    "PS: I have attached a screenshot now.",
    "Update: a restart did not help.",
    "Update: it has become worse since I wrote.",
)
# Padding of the long tickets: what people paste below their message.
LONG = (
    "Below is the whole exchange with your hotline, so that you have everything in one place.",
    "On {day} I first spoke to a friendly person who asked me to wait for {days} days.",
    "After that I was told that the case had been passed on to another department.",
    "That department asked for the order number, which is {order}, and for my address in {city}.",
    "I sent both at once and received an automatic answer with the reference {code}.",
    "Nobody wrote to me for more than a week, so I called a second time.",
    "This time I was asked to reinstall {product} and to clear the stored data of the browser.",
    "I did all of that although I could not see how it would help.",
    "In the meantime my colleague had the same conversation with somebody else from your side.",
    "She was told that the matter was known and that a solution would be there on {day}.",
    "When nothing happened we wrote an e-mail to the address on your website.",
    "The answer quoted a paragraph of the terms that has nothing to do with our question.",
    "I have kept all messages and can send them to you if that is of any use.",
    "Please do not send me another standard answer, I have read the help pages already.",
    "The person on the phone was polite, and I do not want to blame anybody in particular.",
    "Still, it cannot be that one has to explain the same facts again and again.",
    "For completeness: the device is {days} months old and was bought in {city}.",
    "The serial number ends in {code} and the software is the latest version.",
)
