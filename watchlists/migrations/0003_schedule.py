"""The periodic tasks of the watchlists' day. What fails is repeated: the end of the day every five minutes, the return
of kept entries until the market opens."""

from django.db import migrations

from marketdata.migrations._schedule import At, seeds

REPEAT_SECONDS = 300
RESTORE = "watchlists.tasks.restore_kept"

ROWS = [
    At("Release expired contracts", "watchlists.tasks.release_expired", "8", "10", "After the morning's import."),
    At("Bring back kept entries", RESTORE, "8", "45", "Kept entries without a claim."),
    At("Bring back kept entries, until 8:55", RESTORE, "8", "50,55", "Entries refused at 8:45.", REPEAT_SECONDS),
    At("Bring back kept entries, until 9:10", RESTORE, "9", "0,5,10", "Entries refused before.", REPEAT_SECONDS),
    At(
        "Bring back kept entries, last",
        RESTORE,
        "9",
        "15",
        "Notifies traders of the entries that could not be claimed.",
        REPEAT_SECONDS,
        '{"is_last": true}',
    ),
    At("End of day", "watchlists.tasks.end_of_day", "15", "30", "Releases tier A and clears the watchlists."),
    At(
        "Close segments",
        "watchlists.tasks.close_segments",
        "*",
        "*/5",
        "Runs every past end of the day that has not run yet.",
        REPEAT_SECONDS,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("watchlists", "0002_triggers"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(*seeds(ROWS))]
