"""A seeded generator of varied strings that try a byte-level BPE tokenizer where it may break."""

import random

SENTENCES = [
    "The invoice was paid on Tuesday, but nobody told the warehouse.",
    "Sie hat die Tür geöffnet und über Äpfel, Öl und Straßen gesprochen.",
    "L'été dernier, nous avons mangé des crêpes près de la forêt ; c'était où ?",
    "El niño pidió más jamón; ¿quién pagó la cuenta? ¡Nadie!",
    "Pchnąć w tę łódź jeża lub ośm skrzyń fig, żółć.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Çocuk İstanbul'da ığdır ağacının altında şiir okuyor.",
    "Tôi đã gửi thư điện tử cho bác sĩ vào buổi sáng.",
    "Врач записал: температура в норме, кашель прошёл.",
    "Її щоденник лежить біля вікна, а ключ — у ґанку.",
    "Ο γιατρός έγραψε μια σύντομη αναφορά για την υγεία μου.",
    "المريض يشكو من صداع منذ ثلاثة أيام، ولا يتناول دواءً.",
    "גברת כהן ביקשה לשנות את הכתובת שלה, שָׁלוֹם.",
    "मरीज़ ने कहा कि उसे कल रात से बुख़ार है।",
    "ผู้ป่วยมีอาการไอและมีไข้มาสองวันแล้ว",
    "患者昨天开始发烧,咳嗽,体温三十八度。",
    "彼女は昨日、東京駅でカバンをなくしました。ガーン!",
    "환자는 어제부터 열이 나고 기침을 합니다.",
    "রোগী গতকাল থেকে জ্বরে ভুগছেন।",
    "நோயாளிக்கு நேற்று முதல் காய்ச்சல்.",
    "პაციენტს გუშინ სიცხე ჰქონდა.",
    "Հիվանդը երեկվանից ջերմություն ունի։",
    "ሕመምተኛው ትናንት ትኩሳት ነበረው።",
    "ជំងឺនេះចាប់ផ្តើមពីម្សិលមិញ",
]
WORDS = (
    "account ledger patient river quickly Unhappiness re-enter naïve coöperate résumé tokenization "
    "internationalization privacy don't isn't we'll they've I'd she's y'all O'Brien rock'n'roll "
    "HTTPServer camelCase snake_case kebab-case SCREAMING_CASE iPhone eBay McDonald NASA x86 "
    "antidisestablishmentarianism the of and a in to is it"
).split()
CONTRACTIONS = "I'm don't we've they'll he'd it's you're DON'T We'Ve 'tis o'clock 's 't 're 've 'm 'll 'd ’s".split()
CODE = [
    "def {a}({b}, *args, **kw):\n    return {b}[{n}:-1] # {a}",
    "fn {a}<'a>({b}: &'a [u8]) -> Result<u{n}, Error> {{\n\t{b}.len() as _\n}}",
    "for (int {a} = 0; {a} < {n}; ++{a}) {{ {b}[{a}] ^= 0x{n:X}u; }}",
    "const {a} = async ({b}) => `${{{b}?.id ?? {n}}}`;",
    "SELECT {a}, COUNT(*) FROM {b} WHERE id >= {n} AND x != '';",
    "if err := {a}(ctx, {b}); err != nil {{\n\treturn fmt.Errorf(\"%w: {n}\", err)\n}}",
    "<a href=\"/{a}?{b}={n}&amp;x\" class='y'>{a}</a><!-- {b} -->",
    "{{\"{a}\": [{n}, null, true, -1.5e-{n}], \"{b}\": {{}}}}",
    "grep -rnE '^{a}\\s+[0-9]{{{n}}}$' ./{b} | awk '{{print $2}}' >>/dev/null 2>&1",
    "{a} :: Int -> [{b}]\n{a} n = [x | x <- [1..{n}], x `mod` 2 == 0]",
    "public static final List<{a}> {b} = new ArrayList<>({n});",
    ".{a} > #{b}::before {{ margin: -{n}px auto; content: \"\\201C\"; }}",
    "{a}:\n  - {b}: {n}\n    when: \"{{{{ x }}}}\"\n",
    "\\frac{{{a}_{{{n}}}}}{{\\sqrt{{{b}}}}} \\leq \\int_0^\\infty e^{{-x}}\\,dx",
]
SPECIALS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
NEAR_SPECIALS = ["<|im_start|", "|im_end|>", "<|IM_END|>", "<| im_end |>", "<|im_end|>>", "<<|im_start|>", "<repo_name>", "<filename>"]
SPACES = ["\t", "\u00a0", "\r\n", "\n", "  ", "    ", "\u2003", "\u3000", "\u200b", "\v", "\f", "\u2028", "\x85", "\ufeff", "\r", " ", "\u202f", "\u1680"]
EMOJI = [
    "😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇫🇷", "🇯🇵", "❤️", "❤", "1️⃣", "🤷🏿‍♀️", "🧑🏻‍💻", "☠︎", "🫠", "©️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👁️‍🗨️", "♟",
]
NUMERIC = ["²", "½", "Ⅷ", "٣٤", "१२३", "๔๕", "①", "㊿", "𝟘𝟙", "〇", "六", "৫", "፲", "¼", "₂"]
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~…—–«»“”‘’¿¡§¶•€£¥°±×÷≠≤→∑"
HOSTS = ["example.org", "mail.example.co.uk", "xn--bcher-kva.example", "bücher.example", "192.0.2.17", "[2001:db8::1]", "localhost"]
MARKS = [chr(c) for c in (*range(0x300, 0x315), 0x323, 0x327, 0x338, 0x20DD, 0x483, 0x5B7, 0x64B, 0x94D, 0xE47)]
RANGES = [
    (0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0x10FF),
    (0x1E00, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xFFFD),
    (0x10000, 0x1FFFF), (0x20000, 0x3134F), (0xE0000, 0xE01EF), (0x0, 0x10FFFF),
]  # fmt: skip


def strings(seed, count):
    """`count` distinct strings: first the fixed edge cases, then the kinds below in turn."""
    rng = random.Random(seed)
    seen = {}
    for text in edge_cases():
        seen.setdefault(text)
    kinds = [
        sentence, sentence, mixed_scripts, words, mixed_case, code, code, emoji, combining, spaces,
        spaces, digits, digits, numeric, punctuation, url, email, chat, near_special, contractions,
        long_word, random_scalars, repeats, table_row, typo,
    ]  # fmt: skip
    while len(seen) < count:
        for kind in kinds:
            seen.setdefault(kind(rng))
    return list(seen)[:count]


def edge_cases():
    yield ""
    yield from (chr(c) for c in range(256))
    yield from SPECIALS + NEAR_SPECIALS + SPACES + EMOJI + NUMERIC + CONTRACTIONS
    yield from (" " * n for n in range(2, 40, 3))
    yield from ("\n" * n for n in range(2, 12))
    yield from ("a" * n for n in (50, 127, 300))
    yield from (SPECIALS[1] * 2, " " + SPECIALS[1], SPECIALS[1] + " ", SPECIALS[0] + "\n" + SPECIALS[0], "".join(SPECIALS))


def sentence(rng):
    text = rng.choice(SENTENCES)
    start = rng.randrange(len(text) // 2)
    return text[start : start + rng.randint(5, 40)]


def mixed_scripts(rng):
    parts = [rng.choice(rng.choice(SENTENCES).split()) for _ in range(rng.randint(2, 5))]
    return rng.choice([" ", "", " ", "-", "/"]).join(parts)[:50]


def words(rng):
    return " ".join(rng.choices(WORDS, k=rng.randint(2, 9)))


def mixed_case(rng):
    return "".join(rng.choice([c.upper(), c.lower(), c]) for c in words(rng))


def code(rng):
    a, b = (rng.choice(WORDS).replace("'", "_").replace("-", "_") for _ in "ab")
    return rng.choice(CODE).format(a=a, b=b, n=rng.choice([2, 7, 10, 64, 255, 1000]))


def emoji(rng):
    parts = rng.choices(EMOJI + rng.choices(WORDS, k=6), k=rng.randint(2, 5))
    return rng.choice(["", " "]).join(parts)


def combining(rng):
    text = rng.choice(["e", "Zalgo", "noël", "अक", "שלום", "กา", "é", "한", "a b"])
    return "".join(c + "".join(rng.choices(MARKS, k=rng.randint(0, 2))) for c in text)


def spaces(rng):
    out = []
    for _ in range(rng.randint(1, 4)):
        out += [rng.choice([*rng.choices(WORDS, k=6), "", "7", "?"]), rng.choice(SPACES) * rng.randint(1, 4)]
    return "".join(out)


def digits(rng):
    number = str(rng.randrange(10 ** rng.randint(1, 14)))
    forms = [
        number,
        " " * rng.randint(1, 4) + number,
        f"{rng.choice(WORDS)} {number}{rng.choice(['', '%', ' kg', 'th', '€'])}",
        f"{rng.randint(1, 31):02}/{rng.randint(1, 12):02}/{rng.randint(1900, 2099)} {rng.randint(0, 23)}:{rng.randint(0, 59):02}",
        f"{float(number) / 1000:,.2f}",
        f"v{rng.randint(0, 9)}.{rng.randint(0, 99)}.{number}-rc{rng.randint(1, 9)}",
        f"a{number}b\n{number}\t{number[:2]}",
        f"+{rng.randint(1, 99)} ({rng.randint(100, 999)}) {rng.randint(100, 999)}-{rng.randint(1000, 9999)}",
        f"{rng.getrandbits(64):016x}",
        f"x  {number}   y{number}",
    ]
    return rng.choice(forms)


def numeric(rng):
    parts = [rng.choice([rng.choice(NUMERIC), str(rng.randrange(100)), rng.choice(WORDS)]) for _ in range(rng.randint(2, 5))]
    return rng.choice(["", " ", "  "]).join(parts)


def punctuation(rng):
    run = rng.choice(PUNCTUATION) * rng.randint(1, 12)
    return rng.choice(["", " ", rng.choice(WORDS)]) + run + "".join(rng.choices(PUNCTUATION, k=rng.randint(0, 8)))


def url(rng):
    path = "/".join(rng.choices(WORDS, k=rng.randint(0, 3)))
    query = rng.choice(["", f"?q={rng.randrange(999)}&utm=%C3%A9#top", "?a[]=1;b=2"])
    return f"{rng.choice(['https', 'http', 'ftp', 'HTTPS'])}://{rng.choice(HOSTS)}{rng.choice(['', ':8080'])}/{path}{query}"


def email(rng):
    name = rng.choice([rng.choice(WORDS), f"{rng.choice(WORDS)}.{rng.randrange(99)}", "o'neil+tag", "Иван"])
    return rng.choice(["", "mailto:", "<", "To: "]) + f"{name}@{rng.choice(HOSTS)}"


def chat(rng):
    role = rng.choice(["user", "assistant", "system", "tool"])
    body = rng.choice([sentence, words, digits])(rng)[:30]
    text = f"<|im_start|>{role}\n{body}<|im_end|>{rng.choice(['', chr(10), ' '])}"
    return text + rng.choice(["", "<|im_start|>assistant\n", "<|endoftext|>"])


def near_special(rng):
    parts = rng.choices(NEAR_SPECIALS + SPECIALS + WORDS[:8] + [" ", "\n"], k=rng.randint(2, 4))
    return "".join(parts)


def contractions(rng):
    return rng.choice(["", " "]).join(rng.choices(CONTRACTIONS + WORDS, k=rng.randint(2, 6)))


def long_word(rng):
    letters = rng.choice(["abcdefghijklmnopqrstuvwxyz", "ACGT", "aeiouy", "абвгдежзик", "0123456789abcdef"])
    return "".join(rng.choices(letters, k=rng.randint(25, 70)))


def random_scalars(rng):
    ranges = rng.choices(RANGES, k=3)
    out = []
    while len(out) < rng.randint(1, 14):
        c = rng.randint(*rng.choice(ranges))
        if not 0xD800 <= c <= 0xDFFF:
            out.append(chr(c))
    return "".join(out)


def repeats(rng):
    return rng.choice([*WORDS, *EMOJI, *SPACES, "ab", "\n ", " \n", "é", "ا", "字"]) * rng.randint(2, 7)


def table_row(rng):
    cells = [rng.choice([rng.choice(WORDS), str(rng.randrange(10**6)), "", "N/A"]) for _ in range(rng.randint(3, 6))]
    return rng.choice([",", "\t", " | ", ";", "  "]).join(cells) + rng.choice(["", "\n", "\r\n", " "])


def typo(rng):
    chars = list(sentence(rng))
    for _ in range(rng.randint(1, 4)):
        i = rng.randrange(len(chars))
        chars[i] = rng.choice([chars[i] * 2, "", chars[i].swapcase(), " "])
    return "".join(chars)
