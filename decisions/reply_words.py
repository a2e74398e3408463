# ruff: noqa: E501 - a family of words reads best on one line
"""The words of members: tables that `decisions.replies` reads.  Lower case, half width, simplified characters."""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Intent(StrEnum):
    """What a reply asks of us."""

    YES = "yes"
    NO = "no"
    OPT_OUT = "opt-out"
    WITHDRAW = "withdraw"
    WITHDRAW_OR_OPT_OUT = "withdraw-or-opt-out"  # takes back an open yes, and is an opt-out where there is none
    QUESTION = "question"
    UNCLEAR = "unclear"
    EMPTY = "empty"


class Reason(StrEnum):
    """Why a reply was understood so, or what a person should look at; a code, never the member's words."""

    EXACT = "exact"  # the whole reply is a word of the table
    LEADING = "leading"  # a digit or word of the table, and a remark behind it
    PHRASE = "phrase"
    TIMED = "timed"  # a yes with a time or a delay
    CONTRADICTORY = "contradictory"
    UNSURE = "unsure"
    DIGITS = "digits"  # a number that is no answer
    HEALTH = "health"
    BLOOD_TYPE = "blood-type"
    DONATED = "donated"
    REFERRAL = "referral"  # somebody else could come
    DISTRUST = "distrust"
    HELP = "help"
    OPT_IN = "opt-in"
    ASKS = "asks"
    QUOTED = "quoted"
    NO_WORDS = "no-words"
    UNKNOWN = "unknown"


def _table(words: Mapping[Intent, str]) -> Mapping[str, Intent]:
    return MappingProxyType({word: intent for intent, line in words.items() for word in line.split("|")})


# The whole reply is one of these (domain.md, 3.7).  CANCEL is an opt-out as at Twilio; 取消 may mean the appointment.
EXACT = _table(
    {
        Intent.OPT_OUT: (
            "r|t|td|n退订|退订|拒收|不要再发|停|停止|别发了|屏蔽|stop|stopall|stop all|unsubscribe|cancel|end|quit|revoke"
            "|optout|opt-out|opt out|arret|arrêt|remove"
        ),
        Intent.WITHDRAW_OR_OPT_OUT: "取消|取消吧|取消了|取消报名|我要取消|我取消|报名取消|withdraw",
        Intent.YES: (
            "1|一|壹|是|是的|能|能的|能去|能来|可以|可以的|可|愿意|愿|报名|我来|我去|来|去|参加|好|好的|好吧|好啊|行|行的|行啊|行吧|没问题"
            "|同意|y|yes|yeah|yep|yup|ok|okay|sure|one|嗯|嗯嗯|能献|可献|我能|我可以|我愿意|我参加|我报名|certainly|of course"
        ),
        Intent.NO: (
            "2|二|贰|否|不|不了|不是|不能|不行|不方便|没空|没时间|去不了|来不了|不愿意|不愿|不去|不来|不可以|不参加|算了|在外地|在国外|出差"
            "|n|no|nope|nah|not|two|sorry|抱歉|对不起|不好意思"
        ),
    }
)
EXACT_REASON: Mapping[str, tuple[Intent, Reason]] = MappingProxyType(
    {
        "help": (Intent.QUESTION, Reason.HELP),
        "info": (Intent.QUESTION, Reason.HELP),
        "帮助": (Intent.QUESTION, Reason.HELP),
        "start": (Intent.UNCLEAR, Reason.OPT_IN),
        "unstop": (Intent.UNCLEAR, Reason.OPT_IN),
        "谁": (Intent.QUESTION, Reason.DISTRUST),
    }
)

# In front of a digit or a word: "回复1", "我选 2", "reply 1".
LEAD_IN = re.compile(r"^(?:(?:请|我)?(?:回复|回答|答复|回|选择|选|发送|发|按)(?:了|是|为)?|reply|answer)[\W_]*")

# Letters that tell two open appeals apart: none of them is an answer, an opt-out or easily taken for a digit.
PREFIX_LETTERS = "abcdefgh"
PREFIXED = re.compile(rf"^([{PREFIX_LETTERS}])(?:[\W_]+|(?=[^a-z]))(.+)$", re.DOTALL)

# --- opt-out ----------------------------------------------------------------------------------------------------------

NOT_STOPPING = re.compile(
    r"(?:不|没|别|没有|不用)(?:要|想|会)?(?:退订|拒收|屏蔽|取消订阅|取消)"
    r"|(?:don't|do not|not|never|won't) (?:stop|unsubscribe|opt ?-?out|cancel)"
)
HARMLESS_STOP = re.compile(r"bus stop|non-?stop|stop (?:by|over|off)\b")
OPT_OUT = re.compile(
    r"退订|拒收|屏蔽|取消订阅|退出短信|骚扰|勿扰|打扰我|移除我|删除我|拉黑"
    r"|(?:不要|别|勿|不许|不准|停止|停了|甭|请停|少)(?:再|给我|给俺|向我|总|老|一直){0,3}(?:发|发送|推送|短信|通知|联系我|打扰)"
    r"|不(?:想|愿|要|需要)?(?:再)?(?:收到|接收)|^(?:请)?停(?:止|吧|了吧|掉|一下)?(?:谢谢)?$"
    r"|\bstop\b|\bstopall\b|unsubscribe|\bopt(?:ed|ing)?[- ]?out\b|\bremove (?:me|my)\b|take me off|leave me alone"
    r"|(?:don't|do not|dont|no more|never) (?:text|message|sms|contact|send|bother)|^(?:end|quit|revoke|remove|arr[eê]t|cancel) "
    r"(?:please|pls|now|this|it|all|messages|texts|sms)\b"
)
# "R" and "TD" count at the start or the end of a reply or after "reply", unless other Latin words stand around them.
OPT_OUT_LETTERS = frozenset({"r", "t", "td", "rr", "tt", "rrr", "tdtd", "rtd"})
POLITE = frozenset("please pls plz thanks thank you thx ok yes no y n 1 2 sir reply".split())  # noqa: SIM905
LETTER_AT_EDGE = re.compile(
    r"^(?:td|[rt])(?![a-z0-9])|(?<![a-z0-9])(?:td|[rt])$|(?:回复?|发送?|按|选|reply )\W*(?:td|[rt])(?![a-z0-9])|^[12]\W*(?:td|[rt])$|^(?:td|[rt])+$"
)
WITHDRAW = re.compile(r"取消|撤销|撤回|退出报名|\b(?:cancel|withdraw)\b")

# --- things in a reply that are no answer -----------------------------------------------------------------------------

TIME = re.compile(
    r"(?<![\d])\d{1,2}\s*[:：点时]\s*(?:\d{1,2}\s*分?|半|整|一刻|三刻)?\s*(?:[ap]\.?m\b\.?)?"
    r"|\d+(?:\.\d+)?\s*个?半?\s*(?:多)?(?:小时|钟头|分钟|刻钟|分|秒|天|日|号|月|周|年)(?:半)?"
    r"|(?:in |after |at |by |around |within |about |before )*\d+(?:\.\d+)?\s*(?:hours?|hrs?|h|minutes?|mins?|days?|o'?clock|[ap]\.?m)\b\.?"
    r"|(?:at|by|around|after|before) \d{1,2}\b"
    r"|[一二三四五六七八九十两半几]+\s*个?半?\s*(?:多)?(?:小时|钟头|分钟|刻钟|点钟|点半|点|天|号|周)"
    r"|今天|今晚|今早|明天|明早|明晚|后天|上午|中午|下午|傍晚|晚上|夜里|早上|凌晨|现在|周[一二三四五六日末天]|星期[一二三四五六日天]"
    r"|下班|晚点|晚些|稍后|一会儿?|待会儿?|等会儿?|回头|以后|之后|之前"
    r"|\b(?:today|tonight|tomorrow|tonite|now|later|soon|this (?:morning|afternoon|evening)|after work|an hour)\b"
)
COUNTED = re.compile(r"\d+\s*(?:个|人|位|名|次|袋|单位|米|公里|块|元|楼|路|层|公斤|斤|岁|ml|毫升|kg|km|%)")
NO_NEGATION = re.compile(
    r"没问题|没关系|没事|不要紧|不客气|不好意思|不用谢|不见不散|不远|不晚|不错|no problem|no worries|not a problem|why not"
)
UNSURE = re.compile(
    r"可能|也许|大概|或许|说不定|看情况|不一定|不确定|不清楚|不知道|不太清楚|再说|(?<!不)考虑|尽量|争取|等等|maybe|perhaps|not sure"
    r"|\bmight\b|depends|don't know|possibly|\bif\b|如果|要是|除非"
)
DOUBLE_NEGATION = re.compile(r"不是不|没说不|没有不|不能不|不得不|不会不|并非不|不会没|n't not\b")
HEALTH = re.compile(
    r"感冒|发烧|生病|病了|有病|患病|怀孕|孕妇|哺乳|经期|月经|例假|手术|住院|吃药|服药|用药|打针|疫苗|血压|乙肝|肝炎|糖尿病|心脏|发炎|咳嗽|过敏"
    r"|贫血|低血糖|体重|头晕|不舒服|拔牙|牙|纹身|\b(?:sick|ill|flu|fever|cold|pregnant|surgery|medicine|medication|antibiotics?|an[a]?emi[ac]"
    r"|diabet\w+|hepatitis|tattoo|vaccin\w+|asthma|unwell)\b"
)
BLOOD_TYPE = re.compile(
    r"(?<![a-z])(?:a|b|ab|o|0)\s*型|(?<![a-z])rh|熊猫血|阴性|阳性|血型|\b(?:blood )?(?:type|group) (?:a|b|ab|o|0)\b"
    r"|\b(?:i'm|i am|im|我是) ?(?:a|b|ab|o)(?: ?[+\-]| (?:pos|neg)\w*|血|$)|(?<![a-z])(?:a|b|ab|o) ?(?:pos|neg)(?:itive|ative)?\b"
)
DONATED = re.compile(
    r"(?:已经?|刚刚?|才|上个?月|上周|昨天|前天|今年|去年)[^，。,.!！]{0,6}(?:献|捐)|(?:献|捐)过|\b(?:already|just|recently) (?:gave|donated|given)\b"
)
REFERRAL = re.compile(
    r"我(?:的)?(?:弟|哥|姐|妹|爸|妈|父|母|老公|老婆|爱人|妻子|丈夫|先生|太太|朋友|同事|同学|儿子|女儿|孩子|家人|亲戚|室友|邻居|表|堂)|朋友|同事"
    r"|\bmy (?:\w+ )?(?:brother|sister|wife|husband|friend|colleague|father|mother|son|daughter|roommate|partner|cousin)\b"
)
DISTRUST = re.compile(
    r"谁\W*$|谁(?:啊|呀|呢|发)|(?:你|您|你们|哪位|哪里)是谁|诈骗|骗子|骗人|骗局|骗钱|假的|真的假的|真的吗|真假|垃圾短信|钓鱼|报警|怎么有我|哪来的号码"
    r"|\b(?:scam|fraud|spam|fake|phishing)\b|who(?:'s| is| are) (?:this|you|it)"
)
QUESTION = re.compile(
    r"[?]|[吗么呢]\W*$|什么|怎么|哪里|哪儿|哪个|哪家|哪|多少|多久|几点|几时|几个|为何|为啥|干嘛|谁|咋|如何|是否|能不能|能否|可不可以|可否|行不行|是不是"
    r"|要不要|有没有|需不需要|需要带|好不好|能献不|[去来能行献]不$|可以不$"
    r"|^(?:what|where|when|who|how|why|which|is|are|do|does|did|am|could|would|should|can|may|will)\b (?!not\b|come\b|coming\b|do\b|be there)"
)

# --- yes and no, judged clause by clause ------------------------------------------------------------------------------

CLAUSE_END = re.compile(
    r"[,，。.!！;；:：、~～…\n⏱]+|\s{1,}(?=[^\x00-\x7f])|但是?|不过|可是|只是|然后|\b(?:but|however|though)\b"
)
NEGATION = re.compile(
    r"不(?:太|大|怎么|是很|想|敢|会|再|准备|打算|需要|用|在|了|好|够|适合|符合|合适|考虑|可|是|行|能|愿|方便|来|去|到|参加|献|捐|报名|同意|成|中|要|舒服)"
    r"|(?:去|来|到|献|捐|赶|走|抽|帮|回|过|做|办)不(?:了|成|开|到|上|及|去|来)|不了$|^不$|没(?:空|时间|法|办法|能|有空|有时间|办|戏|门|去|来|到|赶)"
    r"|无法|无能|恕|不便|拒绝|婉拒|放弃|在外地|外地|在国外|国外|出差|出国|离京|不在|否$|^2$|^二$|不 ?ok|抱歉|对不起|算了"
    r"|\b(?:no|not|nope|nah|never|can't|cant|cannot|won't|wont|don't|couldn't|unable|sorry|busy|unavailable|decline|impossible|unfortunately"
    r"|out of town|away)\b|^n$"
)
AFFIRMATION = re.compile(
    r"(?<![可功只性才智节])能(?!量|力|源|否|不能)|只能|可以|愿意|乐意|同意|报名|参加|^(?:1|一|y|是|是的|好|好的|好吧|行|行的|可|嗯+|没问题|来|去|到)[了啊吧的呀哦]?$"
    r"|^(?:我|本人|俺|我们|⏱|也|就|一定|肯定|马上|立刻|立即|会|要|想|后|内|前|左右|准时|这就|尽快|在|路上)*(?:来|去|到|过来|过去|赶到|赶来|赶过来|赶过去|出发|报名|参加|献|捐|路上)"
    r"(?:献血|献|捐|医院|血站|一下|帮忙)?[了啊吧的呀哦]*$|没问题|算我一个|义不容辞"
    r"|\b(?:yes|yeah|yep|yup|ok|okay|sure|i can|can come|can do|can donate|i will|i'll|will come|coming|be there|on my way|count me in|willing|happy to"
    r"|glad to|available|of course|certainly|definitely|absolutely|agree|no problem|no worries|why not|not a problem)\b"
)
