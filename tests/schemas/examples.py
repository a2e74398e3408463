"""One message of every type, every field given, so that nothing is published that no test has seen."""

from datetime import UTC, date, datetime, timedelta

from schemas import appeals, audience, dispatch, replies, requests
from schemas.criteria import Criteria
from schemas.reader import Message
from schemas.spec import AppealSpec, BloodNeed, Texts, WaveSpec
from schemas.words import ABO, Answer, BloodKnown, Channel, Language, MessageKind, Policy, Purpose, Sex

NIGHT = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)
APPEAL = "a-20111124-0001"
REQUEST = "r-20111124-0001"
SPEC = AppealSpec(
    programme="platelets",
    blood=BloodNeed(abo=ABO.AB, rhd_required="hard"),
    need=15,
    deadline=timedelta(hours=4),
    districts=("110105",),
    ages=(18, 55),
    sex=Sex.FEMALE,
    skills=("first-aid",),
    languages=(Language.CHINESE,),
    waves=(
        WaveSpec(),
        WaveSpec(blood=BloodKnown.UNKNOWN, after=timedelta(minutes=45), size=190_000, channel=Channel.EMAIL),
    ),
    texts=Texts(
        mass={Language.CHINESE: "急需AB型血小板"},
        acknowledgement={Language.ENGLISH: "Thank you"},
        stand_down={Language.ENGLISH: "The need is met"},
        ended={Language.ENGLISH: "The appeal has ended"},
    ),
    policy=Policy.RATHER_REPEAT,
    repeat_after=timedelta(minutes=2),
)
CRITERIA = Criteria(
    programme="platelets",
    purpose=Purpose.BLOOD,
    channel=Channel.EMAIL,
    on=date(2011, 11, 24),
    abo=(ABO.AB,),
    blood_known=BloodKnown.KNOWN,
    rhd_negative_only=True,
    districts=("110105",),
    ages=(18, 55),
    sex=Sex.MALE,
    skills=("first-aid",),
    languages=(Language.ENGLISH,),
)
DRAFT = dispatch.Draft(
    kind=MessageKind.MASS,
    channel=Channel.SMS,
    texts={Language.CHINESE: "急需AB型血小板"},
    slot=7,
    not_after=NIGHT + timedelta(hours=4),
)
CLOSED = {"appeal_id": APPEAL, "confirmed": 15, "unreleased": 1_000, "stood_down": (4, 7)}
SHARD = {"given_by": "decider", "drill": True, "appeal_id": APPEAL, "wave": 1, "shard": 3, "shards": 8}

EXAMPLES: tuple[Message, ...] = (
    requests.HelpRequested(request_id=REQUEST, kind="blood", spec=SPEC, filed_by="officer"),
    requests.RequestVerified(request_id=REQUEST, verified_by="second"),
    requests.RequestRejected(request_id=REQUEST, rejected_by="second", reason="no such hospital"),
    appeals.LaunchAppeal(
        given_by="officer",
        drill=True,
        appeal_id=APPEAL,
        request_id=REQUEST,
        spec=SPEC,
        deadline=NIGHT + timedelta(hours=4),
        slot=7,
        shards=8,
        batch_size=256,
        release_ahead=60_000,
        ask_again_after=timedelta(seconds=0.5),
    ),
    appeals.PauseAppeal(given_by="officer", appeal_id=APPEAL),
    appeals.ResumeAppeal(given_by="officer", appeal_id=APPEAL),
    appeals.StopAppeal(given_by="officer", appeal_id=APPEAL, reason="transferred"),
    appeals.ShardCounted(
        appeal_id=APPEAL, wave=1, shard=3, members=100, bins=(3, 0, 2), excluded={"opted-out": 5, "blood": 90}
    ),
    appeals.ShardSelected(appeal_id=APPEAL, wave=1, shard=3, members=5),
    appeals.BatchSent(
        appeal_id=APPEAL,
        wave=1,
        batches=(
            appeals.BatchOutcome(
                shard=3, batch=0, sent=1, refused=2, uncertain=3, withdrawn=4, opted_out=5, messages=1
            ),
        ),
    ),
    appeals.BatchRepeated(
        appeal_id=APPEAL,
        wave=1,
        batches=(
            appeals.RepeatOutcome(
                shard=3, batch=0, sent=1, refused=2, uncertain=3, withdrawn=4, opted_out=5, messages=1, spared=6
            ),
        ),
    ),
    appeals.UncertainSettled(
        appeal_id=APPEAL,
        wave=1,
        batches=(appeals.SettledBatch(shard=3, batch=0, delivered=2, failed=1),),
    ),
    appeals.MemberAnswered(
        appeal_id=APPEAL, member_id=7, answer=Answer.YES, channel=Channel.SMS, reply_id="m-1", told_closed=True
    ),
    appeals.MemberScreened(appeal_id=APPEAL, member_id=7, matched=True, screened_by="coordinator"),
    appeals.Tick(appeal_id=APPEAL, due=NIGHT),
    appeals.AppealLaunched(appeal_id=APPEAL, request_id=REQUEST, need=15, deadline=NIGHT, drill=False),
    appeals.WaveOpened(
        appeal_id=APPEAL, wave=1, members=100, matched=5, invited=5, excluded={"opted-out": 5, "blood": 90}
    ),
    appeals.RepeatOrdered(appeal_id=APPEAL, wave=1, batches=2, members=5),
    appeals.AppealPaused(appeal_id=APPEAL, by="officer"),
    appeals.AppealResumed(appeal_id=APPEAL, by="officer"),
    appeals.AppealFilled(**CLOSED),
    appeals.AppealStopped(**CLOSED, by="officer", reason="transferred"),
    appeals.AppealExpired(**CLOSED),
    appeals.MemberStoodDown(appeal_id=APPEAL, member_id=7),
    audience.ScanShard(**SHARD, criteria=CRITERIA),
    audience.InviteShard(**SHARD, criteria=CRITERIA, limit=5),
    audience.MemberChanged(member_id=7, revision=12),
    audience.MembersImported(shard=3, revision=12),
    dispatch.SendBatch(
        given_by="decider",
        drill=True,
        appeal_id=APPEAL,
        wave=1,
        shard=3,
        batch=0,
        batch_size=256,
        policy=Policy.RATHER_MISS,
        purpose=Purpose.BLOOD,
        draft=DRAFT,
    ),
    dispatch.RepeatBatch(
        given_by="decider",
        drill=True,
        appeal_id=APPEAL,
        wave=1,
        shard=3,
        batch=0,
        batch_size=256,
        purpose=Purpose.BLOOD,
        draft=DRAFT,
    ),
    dispatch.TellMembers(
        given_by="decider",
        message_id=f"{APPEAL}/stand-down/4",
        appeal_id=APPEAL,
        members=(4, 7),
        purpose=Purpose.BLOOD,
        draft=DRAFT,
    ),
    dispatch.AnswerReply(given_by="replies", reply_id="m-1", appeal_id=APPEAL, draft=DRAFT),
    dispatch.SendingStopped(appeal_id=APPEAL),
    dispatch.SendingPaused(appeal_id=APPEAL, decided_at=NIGHT),
    dispatch.SendingResumed(appeal_id=APPEAL, decided_at=NIGHT),
    dispatch.OptedOut(member_id=7, purpose=Purpose.BLOOD, channel=Channel.SMS),
    dispatch.MemberErased(member_id=7),
    dispatch.DeliveryReported(
        appeal_id=APPEAL,
        wave=1,
        batches=(dispatch.DeliveredBatch(shard=3, batch=0, delivered=200, failed=56),),
    ),
    replies.ReplyReceived(
        reply_id="m-1", channel=Channel.SMS, member_id=7, slot=7, appeal_id=APPEAL, answer=Answer.YES
    ),
    replies.ReplyRead(
        reply_id="m-1", channel=Channel.SMS, member_id=7, appeal_id=APPEAL, intent="yes", desk="which-appeal"
    ),
)
