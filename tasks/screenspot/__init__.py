"""ScreenSpot: where on a screenshot is the element that an instruction means?"""
