"""Names and things that slots are filled with, and words that fillers are made of.

In each list of five or more, the last 15 % is never seen in training: the examination draws from there.
"""

FIRST = [
    "Anna", "Ben", "Carla", "David", "Elena", "Frank", "Grace", "Henry", "Irene", "Jack", "Karen", "Leo", "Maria", "Nadia",
    "Oscar", "Paula", "Quinn", "Rosa", "Sam", "Tina", "Ulla", "Victor", "Wendy", "Xavier", "Yusuf", "Zoe", "Aiden", "Bella",
    "Connor", "Daisy", "Edgar", "Fiona", "George", "Hannah", "Ivan", "Julia", "Kevin", "Laura", "Martin", "Nora", "Oliver",
    "Peter", "Rachel", "Simon", "Teresa", "Umar", "Vera", "Walter", "Yara", "Amir", "Bianca", "Cyril", "Diana", "Emil",
    "Farah", "Greta", "Hugo", "Ines", "Joel", "Kira", "Lars", "Mona", "Nils", "Olga", "Pavel", "Rita", "Sven", "Tara",
    "Viktor", "Wanda", "Alma", "Boris", "Clara", "Dario", "Edith", "Felix", "Gloria", "Hector", "Ida", "Jonas", "Katya",
    "Luis", "Mabel", "Nico", "Otto", "Petra", "Ravi", "Sofia", "Tom", "Ursula", "Vince", "Willa", "Yves", "Zara", "Arlo",
    "Briony", "Caspar", "Delphine", "Ewan", "Freya", "Gideon", "Harriet", "Isolde", "Jasper", "Keira", "Lionel", "Matilda",
    "Niamh", "Orson", "Priya", "Rufus", "Saskia", "Tobias",
]  # fmt: skip
LAST = [
    "Adams", "Baker", "Carter", "Dixon", "Evans", "Foster", "Gibson", "Harris", "Irwin", "Jensen", "Keller", "Lopez",
    "Moreno", "Nolan", "Owens", "Parker", "Reed", "Stone", "Turner", "Vance", "Walsh", "Young", "Zimmer", "Abbott",
    "Bishop", "Cole", "Drake", "Ellis", "Frost", "Grant", "Hale", "Ingram", "Jarvis", "Knight", "Lane", "Marsh", "North",
    "Osborne", "Price", "Quigley", "Rhodes", "Sharp", "Tate", "Upton", "Vaughn", "Webb", "Yates", "Archer", "Blake",
    "Croft", "Dalton", "Everett", "Fletcher", "Garner", "Hobbs",
]  # fmt: skip
SYLLABLES = [
    c + v
    for c in ["b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z"]
    for v in ["a", "e", "i", "o", "u", "an", "en", "in", "on", "ar", "el"]
]
STREETS = [
    "Oak", "Elm", "Maple", "Cedar", "River", "Lake", "Hill", "Park", "Church", "Mill", "Station", "Garden", "Meadow", "King",
]  # fmt: skip
WAYS = ["Street", "Road", "Lane", "Avenue"]
ITEMS = [
    "kettle", "desk lamp", "backpack", "blue jacket", "coffee maker", "office chair", "phone case", "tent", "toaster",
    "rain coat", "bike light", "water bottle", "keyboard", "headset", "rug", "bookshelf", "blender", "pair of boots",
    "garden hose", "wool scarf", "travel mug", "monitor", "winter hat", "yoga mat", "camera bag",
]  # fmt: skip
COLOURS = ["red", "blue", "green", "black", "white", "grey", "yellow", "brown"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
RELATIVES = [
    "neighbour", "brother", "sister", "husband", "wife", "boss", "friend", "flatmate", "father", "mother", "colleague",
    "aunt",
]  # fmt: skip
#: What fillers that nobody listed are made of, so that a model learns to look past words that it does not know.
FILLER_WORDS = [
    "well", "so", "okay", "folks", "sir", "madam", "mate", "please", "quick", "one", "more", "thing", "today", "really",
    "just", "now", "only", "listen", "look", "right", "then", "again", "still", "always", "never", "kindly", "maybe",
    "anyway", "actually", "honestly", "hopefully", "frankly", "question", "problem", "matter", "day", "week", "morning",
    "busy", "tired", "happy", "sad", "worried", "confused", "waiting", "hoping", "wondering", "asking", "writing",
    "calling", "first", "time", "last", "old", "new", "long", "short", "little", "big", "much", "very", "best", "wishes",
    "regards",
]  # fmt: skip
