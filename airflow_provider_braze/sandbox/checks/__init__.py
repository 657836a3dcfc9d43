"""What Braze checks of the objects it is sent: identifiers, standard fields, custom attributes, events."""
