from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("modeljobs", "0002_evidence")]

    operations = [
        migrations.RemoveConstraint(model_name="modelcall", name="model_call_place_once"),
        migrations.AddConstraint(
            model_name="modelcall",
            constraint=models.UniqueConstraint(
                fields=["item", "place"], name="model_call_place_once"
            ),
        ),
        migrations.AddIndex(
            model_name="modelcall",
            index=models.Index(
                fields=["item"],
                name="model_call_uncounted",
                condition=Q(prompt_tokens__isnull=True) | Q(completion_tokens__isnull=True),
            ),
        ),
    ]
