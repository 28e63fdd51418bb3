"""Maps judged by points: accuracy and areas with intervals."""
